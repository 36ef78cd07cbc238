"""Check the file system of the workspace."""

import os
from collections.abc import Iterator
from pathlib import Path

from app.doctor.finding import Finding, Level
from app.formatting import size
from engine.files.mounts import NETWORK, VOLATILE, mount_of

_LOW_BYTES = 5 << 30
_FULL_BYTES = 1 << 30


def check_disk(workspace: Path) -> Iterator[Finding]:
    """Check free space, free inodes and write permission."""
    folder = existing_ancestor(workspace)
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    text = f"{size(free)} free for the workspace"
    hint = (
        "Free some space, or choose another workspace with --workspace. Checkpoints of YOLOv7 take 75 to 600 MB each."
    )
    if free < _LOW_BYTES:
        yield Finding(Level.PROBLEM if free < _FULL_BYTES else Level.WARNING, "disk", text, hint)
    else:
        yield Finding(Level.OK, "disk", text)
    if space.f_files and space.f_favail < 10_000:
        yield Finding(Level.WARNING, "inodes", f"room for {space.f_favail} more files", "Delete small files.")
    if not os.access(folder, os.W_OK):
        yield Finding(
            Level.PROBLEM, "workspace", f"no permission to write {folder}", "Choose another one with --workspace."
        )


def check_file_system(workspace: Path, mounts: Path = Path("/proc/self/mountinfo")) -> Iterator[Finding]:
    """Check for network file systems, where SQLite's write-ahead log is unsafe, and for ones in memory."""
    mount = mount_of(existing_ancestor(workspace), mounts)
    if mount is None:
        return
    if mount.kind in NETWORK:
        yield Finding(
            Level.WARNING,
            "file system",
            f"the workspace is on a network file system ({mount.kind} at {mount.point}): SQLite's write-ahead log is"
            " unsafe there, so the database works without one, and slower",
            "Put the workspace on a local disk with --workspace or YOLOQAT_WORKSPACE; data sets may stay there.",
        )
    elif mount.kind in VOLATILE:
        yield Finding(
            Level.WARNING,
            "file system",
            f"the workspace is in memory ({mount.kind} at {mount.point}): a reboot empties it",
            "Put it on a disk with --workspace or YOLOQAT_WORKSPACE.",
        )
    else:
        yield Finding(Level.OK, "file system", f"{mount.kind}, local")


def existing_ancestor(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
