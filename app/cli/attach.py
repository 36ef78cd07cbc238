"""`yoloqat attach PID`"""

import argparse

from app.cli.output import say_workspace
from app.cli.watch import add_watching, show_watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("pid", metavar="PID", type=int, help="a process that was not started here")
    add_watching(parser)


def call(arguments: argparse.Namespace) -> int:
    """Find the log of a process, and make a live run of it; the run ends when the process does."""
    from app.importing.watch import attach
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    watched = attach(workspace, arguments.pid, name=arguments.name)
    return show_watched(workspace, watched, once=arguments.once, as_json=arguments.json)
