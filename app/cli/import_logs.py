"""`yoloqat import FILE…`"""

import argparse
from pathlib import Path

from app.cli.output import print_json, say_workspace, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="console logs of YOLO trainers or of ours, results.txt, results.csv"
    )
    parser.add_argument("--name", help="what to call the run (default: the file's name); a taken name is counted up")
    parser.add_argument("--json", action="store_true", help="what was read of each file as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Bring logs in as finished runs, and tell what was read of each."""
    from app.services.importing import import_logs
    from app.services.workspace import resolve_workspace

    workspace = resolve_workspace(arguments.workspace)
    say_workspace(workspace)
    reports = import_logs(workspace, [Path(file) for file in arguments.files], name=arguments.name)
    if arguments.json:
        print_json({"schema": 1, "workspace": workspace.path, "imported": reports})
        return 0
    headers = ["FILE", "RUN", "FORMAT", "EPOCHS", "EVALUATIONS", "LINES", "NOT READ", ""]
    rows = [
        [
            report.path.name,
            report.name,
            report.dialect,
            *(str(count) for count in (report.epochs, report.evaluations, report.lines, report.not_understood)),
            "" if report.is_new else "known",
        ]
        for report in reports
    ]
    print(table(headers, rows, right=range(3, 7)))
    return 0
