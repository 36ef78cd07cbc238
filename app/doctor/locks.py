"""Check what `flock` does on the file system of the workspace: such locks hold leases, launches and the index."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.doctor.disk import existing_ancestor
from app.doctor.finding import Finding, Level
from engine.files.mounts import NETWORK, mount_of

_TRY = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
_SECONDS = 20.0


def check_locks(workspace: Path, mounts: Path = Path("/proc/self/mountinfo")) -> Iterator[Finding]:
    """Check whether a lock on a file keeps another process out, with a temporary file in the workspace."""
    folder = existing_ancestor(workspace)
    if not os.access(folder, os.W_OK):
        return
    mount = mount_of(folder, mounts)
    where = mount.kind if mount is not None else str(folder)
    hint = "Put the workspace on a local disk with --workspace or YOLOQAT_WORKSPACE."
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".lock-check-") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_exclusive = not _is_free(file.name)
    except OSError as error:
        yield Finding(Level.PROBLEM, "locks", f"flock does not work on {where}: {error.strerror or error}", hint)
        return
    if not is_exclusive:
        yield Finding(Level.PROBLEM, "locks", f"flock keeps nobody out on {where}: runs may be started twice", hint)
    elif mount is not None and mount.kind in NETWORK:
        text = f"flock works between processes of this machine on {where}; whether other machines see it cannot be told"
        yield Finding(Level.NOTE, "locks", text, "Use one workspace from one machine at a time.")
    else:
        yield Finding(Level.OK, "locks", f"flock works on {where}")


def _is_free(path: str) -> bool:
    """Return whether another process can lock a file that this one has locked."""
    try:
        tried = subprocess.run([sys.executable, "-I", "-S", "-c", _TRY, path], capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
