"""`yoloqat release RUN`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="a run that is held, or a group for all of it that is")


def call(arguments: argparse.Namespace) -> int:
    """Let what is held take its turn."""
    from app.launching.queue import release_runs
    from app.launching.requeue import requeue
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    names = release_runs(workspace, arguments.reference)
    requeue(workspace)  # what has lost its runner waits for nobody else
    for name in names:
        print(f"{name}: released")
    return 0
