"""`yoloqat move RUN --first|--last|--before RUN`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="a run that waits, or a group for all of it that waits")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--first", action="store_true", help="to the head of the queue")
    where.add_argument("--last", action="store_true", help="behind all that wait now")
    where.add_argument("--before", metavar="RUN", help="in front of another run that waits")


def call(arguments: argparse.Namespace) -> int:
    """Change the order of what waits."""
    from app.launching.queue import move_runs
    from app.launching.requeue import requeue
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    names = move_runs(workspace, arguments.reference, before=arguments.before, last=arguments.last)
    requeue(workspace)
    print("\n".join(f"{number} {name}" for number, name in enumerate(names, 1)))
    return 0
