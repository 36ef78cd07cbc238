"""Where the index of a workspace lies: in it, or in the user's cache where it cannot or must not be written."""

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

_DATABASE = "yoloqat.db"


@cache
def index_folder(workspace: str) -> Path:
    """Return the folder of a workspace's index.

    That is the workspace, unless it cannot be written, or its database belongs to another user: a database that this
    user did not index isn't opened. SQLite cannot open one with a write-ahead log read-only in such a folder either
    (sqlite.org/wal.html), and `immutable` passes over that log.
    """
    path = os.path.abspath(workspace)
    if not os.path.isdir(path) or (may_write(path) and _is_own(os.path.join(path, _DATABASE))):
        return Path(path)
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:24]
    folder = _cache_folder() / "yoloqat" / "indexes" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def may_write(folder: str) -> bool:
    """Return whether files can be made in a folder: not so on a read-only mount, or without permission."""
    return os.access(folder, os.W_OK | os.X_OK)


def _is_own(database: str) -> bool:
    try:
        return os.lstat(database).st_uid == os.geteuid()
    except OSError:
        return True


def _cache_folder() -> Path:
    """Return `$XDG_CACHE_HOME`, `~/.cache`, or where neither can be written a folder of this user among the
    temporary ones.
    """
    cache_home = os.environ.get("XDG_CACHE_HOME", "")
    for folder in (Path(cache_home) if os.path.isabs(cache_home) else None, Path(os.path.expanduser("~")) / ".cache"):
        if folder is not None and _can_be_made(folder):
            return folder
    return Path(tempfile.gettempdir()) / f"yoloqat-{os.geteuid()}"


def _can_be_made(folder: Path) -> bool:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return may_write(str(there))
