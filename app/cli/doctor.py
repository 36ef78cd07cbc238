"""`yoloqat doctor`"""

import argparse

from app.cli.output import print_json, say_workspace

_EXIT_PROBLEM = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 if one of them would kill runs or lose data."""
    from app.doctor.examine import run_checks
    from app.doctor.finding import Level
    from app.workspace.engine_python import choose_engine
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace, write=False)
    say_workspace(workspace)
    findings = list(run_checks(workspace, choose_engine()))
    if arguments.json:
        print_json({"schema": 1, "workspace": workspace.path, "findings": findings})
    else:
        for finding in findings:
            print(f"{finding.level.value:<8} {finding.check}: {finding.text}")
            if finding.hint:
                print(f"{'':<8} → {finding.hint}")
    return _EXIT_PROBLEM if any(finding.level is Level.PROBLEM for finding in findings) else 0
