"""`yoloqat cancel RUN`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="a run that waits, or a group for all of it that waits")


def call(arguments: argparse.Namespace) -> int:
    """Take what waits out of the queue; what runs is left alone."""
    from app.launching.queue import cancel_runs
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for name in cancel_runs(workspace, arguments.reference):
        print(f"{name}: cancelled")
    return 0
