"""`yoloqat hold RUN`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="a run that waits, or a group for all of it that waits")


def call(arguments: argparse.Namespace) -> int:
    """Keep what waits from starting."""
    from app.launching.queue import hold_runs
    from app.launching.requeue import requeue
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    names = hold_runs(workspace, arguments.reference)
    requeue(workspace)  # what has lost its runner waits for nobody else
    for name in names:
        print(f"{name}: held; `yoloqat release {name}` lets it go")
    return 0
