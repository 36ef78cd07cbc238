"""`yoloqat undelete [RUN…]`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("references", metavar="RUN", nargs="*", help="deleted runs; the last deleted one when none")


def call(arguments: argparse.Namespace) -> int:
    """Take runs out of the trash."""
    from app.runs.trash import undelete_runs
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run in undelete_runs(workspace, arguments.references):
        print(f"{run.name} ({run.id}) is back")
    return 0
