"""Check limits that kill processes or data loaders."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from app.doctor.finding import Finding, Level
from app.formatting import size

_SHARED_BYTES = 1 << 30
_OPEN_FILES = 1024


def check_limits() -> Iterator[Finding]:
    """Check the limits that runs inherit from this shell."""
    seconds, _ = resource.getrlimit(resource.RLIMIT_CPU)
    if seconds != resource.RLIM_INFINITY:
        yield Finding(
            Level.PROBLEM,
            "CPU time",
            f"every process is killed after {seconds} s of CPU time (ulimit -t)",
            "Lift it with `ulimit -t unlimited`, or ask the administrator.",
        )
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    if memory != resource.RLIM_INFINITY:
        yield Finding(
            Level.WARNING,
            "memory",
            f"a process may map {size(memory)} at most (ulimit -v); CUDA maps more than it uses",
            "Lift it with `ulimit -v unlimited`.",
        )
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < _OPEN_FILES:
        yield Finding(Level.WARNING, "open files", f"{files} per process", f"Lift it with `ulimit -n {_OPEN_FILES}`.")


def check_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> Iterator[Finding]:
    """Check for a memory limit of the container or session below the memory of the machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [_number(cgroup / name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    limit = min((value for value in limits if value), default=total)
    if limit < total:
        yield Finding(
            Level.NOTE,
            "memory",
            f"{size(limit)} of {size(total)} may be used: the kernel kills processes beyond it",
        )
    else:
        yield Finding(Level.OK, "memory", size(total))


def check_shared_memory(folder: Path = Path("/dev/shm")) -> Iterator[Finding]:
    """Check the size of `/dev/shm`, in which data-loader workers pass batches."""
    try:
        space = os.statvfs(folder)
    except OSError:
        yield Finding(Level.WARNING, "shared memory", f"there is no {folder}", "Train with --workers 0.")
        return
    total = space.f_blocks * space.f_frsize
    if total < _SHARED_BYTES:
        yield Finding(
            Level.WARNING,
            "shared memory",
            f"{size(total)} in {folder}: data-loader workers die of `bus error` when it is full",
            "Start the container with --shm-size=8g or --ipc=host, or train with --workers 0.",
        )
    else:
        yield Finding(Level.OK, "shared memory", f"{size(total)} in {folder}")


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
