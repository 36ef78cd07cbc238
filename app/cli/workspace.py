"""`yoloqat workspace new`, `forget`, `list`: which folders hold runs."""

import argparse

from app.cli.commands import Handlers
from app.cli.output import say
from engine.contracts.errors import YoloqatError


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("new", "forget", "list"), help="what to do")
    parser.add_argument("folder", metavar="DIR", nargs="?", help="the workspace")


def _workspace(arguments: argparse.Namespace) -> int:
    """Make a workspace, forget one that was deleted, or list those that you have used."""
    from app.workspace.known import forget, known_workspaces
    from app.workspace.open import create_workspace, locate_workspace

    if arguments.action == "list":
        for path in known_workspaces():
            print(path)
        return 0
    if arguments.folder is None:
        raise YoloqatError(
            f"`workspace {arguments.action}` needs a folder",
            where="DIR",
            hint=f"yoloqat workspace {arguments.action} DIR",
        )
    workspace = locate_workspace(arguments.folder)
    if arguments.action == "new":
        create_workspace(workspace)
        print(f"{workspace.path}: ready; use it with --workspace, YOLOQAT_WORKSPACE or `workspace:` in the settings")
        return 0
    print(f"{workspace.path}: {'forgotten' if forget(workspace.path) else 'was not known'}")
    if workspace.runs.is_dir():
        say("its folder is left as it is")
    return 0


COMMANDS = {"workspace": Handlers(_add_workspace, _workspace)}
