"""`yoloqat trash`"""

import argparse

from app.cli.output import say_workspace, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--empty", action="store_true", help="delete for good what is in the trash")


def call(arguments: argparse.Namespace) -> int:
    """List the deleted runs, or delete them for good."""
    from app.runs.trash import empty_trash, trashed
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    if arguments.empty:
        count = empty_trash(workspace)
        print(f"{count} {'run' if count == 1 else 'runs'} deleted for good")
        return 0
    runs = trashed(workspace)
    print(table(("NAME", "ID"), [(run.name, run.id) for run in runs]) if runs else "the trash is empty")
    return 0
