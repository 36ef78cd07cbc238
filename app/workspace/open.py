"""Locate and open the workspace."""

import os
from pathlib import Path

from app.workspace.settings_path import settings_path
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace

VARIABLE = "YOLOQAT_WORKSPACE"


def open_workspace(option: str | None = None) -> Workspace:
    """Open the workspace of `--workspace`, else of YOLOQAT_WORKSPACE, else of the settings, else the user's default.

    Creates the folder if it is missing. Starts no process: see `app.launching.requeue`.

    Raises:
        YoloqatError: it is not a folder, or cannot be created or written.
    """
    workspace = locate_workspace(option)
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
    if not os.access(workspace.runs, os.W_OK | os.X_OK):
        raise _unusable(workspace, "no permission to write")
    return workspace


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
