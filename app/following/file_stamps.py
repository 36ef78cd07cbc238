"""What tells that a file has changed."""

import os

Stamp = tuple[int, int, int]
"""Inode, size and time of a file."""


def stamp_of(path: str | os.PathLike[str]) -> Stamp | None:
    """Changes whenever the file does; None when it is not there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
