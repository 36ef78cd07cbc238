"""`yoloqat rename RUN NAME`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="the run")
    parser.add_argument("name", metavar="NAME", help="what to call it; its id and its folder stay")


def call(arguments: argparse.Namespace) -> int:
    """Rename a run."""
    from app.runs.annotations import rename_run
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    before = rename_run(workspace, arguments.reference, arguments.name)
    print(f"{before} is called {arguments.name} now")
    return 0
