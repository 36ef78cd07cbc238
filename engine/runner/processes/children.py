"""The processes of a run, found through `/proc`.

The runner is a child subreaper: whatever a stage starts, double-forked or in a session of its own, stays below the
runner in the tree. A run launched from inside a stage is a run of its own; it and all below it are left out.
"""

import ctypes
import os
import time

from engine.runner.processes.identity import Stat, read_stat

MARK = "YOLOQAT_ATTEMPT"
"""Environment variable that names the attempt folder; every process of a run carries it."""
_PR_SET_CHILD_SUBREAPER = 36
_LOOKS, _LOOK_SECONDS = 20, 0.002
_LOOKS_AT_EMPTY = 2
"""A process may have been started without any environment: it is not waited for at every sample."""
_KTHREADD = 2
"""Parent of the kernel's own threads, which never have an environment."""


def become_subreaper() -> bool:
    """Adopt every orphan among the descendants. False where the kernel refuses."""
    try:
        return int(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


def all_processes() -> dict[int, Stat]:
    """Return every process that this one can see. Costs some 25 µs per process."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := read_stat(int(name))) is not None:
            table[stat.pid] = stat
    return table


def marker_of(pid: int) -> str | None:
    """Return the attempt folder that a process carries in its environment, None when it carries none or it cannot be
    read.
    """
    for entry in _environment(pid).split(b"\0"):
        if entry.startswith(MARK.encode() + b"="):
            return os.fsdecode(entry[len(MARK) + 1 :])
    return None


def _environment(pid: int) -> bytes:
    """Read the environment of a process. It is empty while the process becomes another program, and unreadable at its
    end."""
    for look in range(_LOOKS):
        is_there = True
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except PermissionError:
            return b""
        except OSError:
            environment, is_there = b"", False
        stat = read_stat(pid)
        is_settled = is_there and look >= _LOOKS_AT_EMPTY
        if environment or is_settled or stat is None or stat.state in "ZX" or _KTHREADD in (stat.pid, stat.ppid):
            return environment
        time.sleep(_LOOK_SECONDS)
    return b""


def descendants(root: int, mark: str) -> list[Stat]:
    """Return the living processes below `root`, nearest first, without those that belong to another run."""
    table = all_processes()
    below: dict[int, list[Stat]] = {}
    for stat in table.values():
        below.setdefault(stat.ppid, []).append(stat)
    descendant_stats: list[Stat] = []
    frontier = [root]
    while frontier:
        children = [stat for parent in frontier for stat in below.get(parent, ())]
        # The look at the environment may take a moment, in which some have ended.
        children = [stat for stat in children if marker_of(stat.pid) in (None, mark)]
        descendant_stats += [stat for stat in children if stat.state not in "ZX" and _still_lives(stat)]
        frontier = [stat.pid for stat in children]
    return descendant_stats


def _still_lives(stat: Stat) -> bool:
    now = read_stat(stat.pid)
    return now is not None and now.start_time == stat.start_time and now.state not in "ZX"


def marked(mark: str) -> list[Stat]:
    """Return the living processes that carry a mark, wherever they hang in the tree. For a run that has lost its
    runner.

    One that was started with an environment of its own (`env -i`, `sudo`) carries none, and writes to the console.
    """
    try:
        console = os.stat(os.path.join(mark, "console.log"))
    except OSError:
        console = None
    found = []
    for stat in all_processes().values():
        if stat.state in "ZX" or stat.pid == os.getpid():
            continue
        carried = marker_of(stat.pid)
        if carried == mark or (carried is None and console is not None and _writes_to(stat.pid, console)):
            found.append(stat)
    return found


def _writes_to(pid: int, file: os.stat_result) -> bool:
    """Return whether stdout or stderr of a process is this file."""
    for descriptor in (1, 2):
        try:
            status = os.stat(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == (file.st_dev, file.st_ino):
            return True
    return False
