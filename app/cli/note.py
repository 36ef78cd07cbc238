"""`yoloqat note RUN [TEXT]`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="the run")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the note; an empty one removes it; none prints it")


def call(arguments: argparse.Namespace) -> int:
    """Write or print a run's note."""
    from app.runs.annotations import note_run, read_note
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    if arguments.text is not None:
        note_run(workspace, arguments.reference, arguments.text)
    print(read_note(workspace, arguments.reference) or "no note")
    return 0
