"""`yoloqat delete RUN…`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("references", metavar="RUN", nargs="+", help="runs, or the name of a pipeline's group")


def call(arguments: argparse.Namespace) -> int:
    """Move runs into the trash."""
    from app.runs.trash import delete_runs
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_ids

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    ids = [run_id for reference in arguments.references for run_id in find_ids(workspace, reference)]
    for run in delete_runs(workspace, list(dict.fromkeys(ids))):
        print(f"{run.name}: in the trash; `yoloqat undelete {run.name}` brings it back")
    return 0
