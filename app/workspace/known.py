"""Which workspaces this user has used: one that is gone is not made anew, for its disk may only not be mounted."""

import contextlib
import json
from pathlib import Path

from engine.files.atomic import write_text
from engine.files.safe_open import read_regular
from engine.runner.start_record import state_folder


def known_workspaces() -> list[str]:
    """List the folders of the workspaces that have been used, in alphabetical order."""
    try:
        paths = json.loads(read_regular(_path()))
    except (OSError, ValueError, RecursionError):
        return []
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []


def is_known(workspace: Path) -> bool:
    """Whether a workspace has been used."""
    return str(workspace) in known_workspaces()


def remember(workspace: Path) -> None:
    """Record that a workspace is used. Never raises: without the record a missing one is made anew."""
    paths = known_workspaces()
    if str(workspace) not in paths:
        _write([*paths, str(workspace)])


def forget(workspace: Path) -> bool:
    """Delete the record of a workspace; return whether there was one."""
    paths = known_workspaces()
    if str(workspace) not in paths:
        return False
    _write([path for path in paths if path != str(workspace)])
    return True


def _write(paths: list[str]) -> None:
    with contextlib.suppress(OSError):
        _path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text(_path(), json.dumps(sorted(set(paths)), indent=1))


def _path() -> Path:
    return Path(state_folder()) / "workspaces.json"
