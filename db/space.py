"""Why the store failed: whether the disk is full."""

import os
import sqlite3
from pathlib import Path

_NEEDED_BYTES = 1 << 20
"""Less than this, and opening the database alone may fail: beside it stand its shared memory and its log."""


def lacks_space(error: BaseException, folder: Path) -> bool:
    """Return whether an error of the store comes of a full disk.

    Args:
        folder: where the database lies.
    """
    origin = failure_of_the_file(error)
    if origin is None:
        return False
    code = getattr(origin, "sqlite_errorcode", None)
    return (code is not None and code & 0xFF == sqlite3.SQLITE_FULL) or is_full(folder)


def failure_of_the_file(error: BaseException) -> sqlite3.Error | OSError | None:
    """Return what SQLite or the system said, where an error comes of that."""
    cause: BaseException | None = error
    while cause is not None:
        origin = getattr(cause, "orig", cause)
        if isinstance(origin, sqlite3.Error | OSError):
            return origin
        cause = cause.__cause__
    return None


def is_full(folder: Path) -> bool:
    """Return whether there is too little space for the database; False also when it cannot be told."""
    try:
        space = os.statvfs(folder)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < _NEEDED_BYTES
