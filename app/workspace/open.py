"""Locate and open the workspace."""

import os
from pathlib import Path

from app.workspace.known import is_known, remember
from app.workspace.settings_path import settings_path
from engine.contracts.errors import YoloqatError
from engine.contracts.index_folder import may_write
from engine.contracts.run_folder import Workspace

VARIABLE = "YOLOQAT_WORKSPACE"


def open_workspace(option: str | None = None, *, write: bool = True) -> Workspace:
    """Open the workspace of `--workspace`, else of YOLOQAT_WORKSPACE, else of the settings, else one per user.

    Creates the folder if it was never used; starts nothing, see `app.launching.requeue` for what does.

    Args:
        write: the caller changes something in it; one that cannot be written can still be read.

    Raises:
        YoloqatError: it is no folder, cannot be created or written, or is gone although it was used.
    """
    workspace = locate_workspace(option)
    if workspace.runs.is_dir():
        if not may_write(str(workspace.runs)):
            if write:
                raise _unusable(workspace, "no permission to write")
            return workspace
    elif is_known(workspace.path):
        raise YoloqatError(
            "the workspace is gone: perhaps its disk is not mounted",
            where=f"{workspace.path} ({workspace.origin})",
            hint="Mount it. If it was deleted on purpose: `yoloqat workspace forget DIR`; for an empty one at this "
            "place: `yoloqat workspace new DIR`.",
        )
    elif not write and workspace.path.is_dir() and not may_write(str(workspace.path)):
        return workspace  # without runs; there is nothing to read
    else:
        _make(workspace)
    remember(workspace.path)
    return workspace


def create_workspace(workspace: Workspace) -> None:
    """Create a workspace, also where one was used that is gone.

    Raises:
        YoloqatError: it is no folder, or cannot be created.
    """
    _make(workspace)
    remember(workspace.path)


def _make(workspace: Workspace) -> None:
    try:
        workspace.runs.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise YoloqatError(
            "the workspace is a file, not a folder",
            where=f"{workspace.path} ({workspace.origin})",
            hint="Choose a folder with --workspace.",
        ) from None
    except OSError as error:
        raise _unusable(workspace, error.strerror or str(error)) from error


def locate_workspace(option: str | None = None) -> Workspace:
    """Return the workspace as `open_workspace` chooses it, without creating or checking it."""
    if option:
        return Workspace(_absolute(option), "from --workspace")
    variable = os.environ.get(VARIABLE)
    if variable:
        return Workspace(_absolute(variable), f"from {VARIABLE}")
    configured = _configured_path()
    if configured is not None:
        return Workspace(_absolute(str(configured)), f"from {settings_path()}")
    from platformdirs import user_data_path

    return Workspace(user_data_path("yoloqat"), "the default")


def _configured_path() -> Path | None:
    if not settings_path().exists():
        return None
    from app.workspace.settings import load_settings  # loads pydantic and YAML: 0.1 s of CPU

    return load_settings().workspace


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(Path(path).expanduser()))


def _unusable(workspace: Workspace, why: str) -> YoloqatError:
    return YoloqatError(
        f"the workspace cannot be used: {why}",
        where=f"{workspace.path} ({workspace.origin})",
        hint="Choose another folder with --workspace.",
    )
