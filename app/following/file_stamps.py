"""Stamps that change whenever a file does."""

import os

Stamp = tuple[int, int, int]
"""Inode, size and time of a file."""


def stamp_of(path: str | os.PathLike[str]) -> Stamp | None:
    """Return the stamp of a file; None when it is missing."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
