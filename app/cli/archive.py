"""`yoloqat archive RUN…`"""

import argparse

from app.cli.output import say_workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("references", metavar="RUN", nargs="+", help="runs, or the name of a pipeline's group")
    parser.add_argument("--undo", action="store_true", help="put them back into the list")


def call(arguments: argparse.Namespace) -> int:
    """Take runs out of the list; nothing of them is touched."""
    from app.runs.annotations import archive_run
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_ids, read_name

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for run_id in dict.fromkeys(i for reference in arguments.references for i in find_ids(workspace, reference)):
        archive_run(workspace, run_id, not arguments.undo)
        name = read_name(workspace.run(run_id)).name
        print(f"{name}: {'back in the list' if arguments.undo else 'archived; `yoloqat ls --all` shows it'}")
    return 0
