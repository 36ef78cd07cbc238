"""`yoloqat pause RUN`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="the run")


def call(arguments: argparse.Namespace) -> int:
    """Ask for an end at a checkpoint and a place in the queue after it; returns at once."""
    from app.launching.stop import pause_run
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_id, read_name

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    run_id = find_id(workspace, arguments.reference)
    name = read_name(workspace.run(run_id)).name
    print(f"{name}: {pause_run(workspace, run_id)}, then waits, paused; `yoloqat resume {name}` lets it go on")
    return 0
