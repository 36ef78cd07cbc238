"""What a run takes: one JSON line into `system.jsonl` every few seconds, in bounded space.

Past `LIMIT_BYTES` every second line goes, so that a month-long run keeps its whole history, the older the coarser.
A reader that follows the file notices by its inode.
"""

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.files.atomic import atomic_stream
from engine.files.safe_open import open_append, open_regular
from engine.runner.processes.children import descendants
from engine.runner.processes.identity import Stat, read_stat

LIMIT_BYTES = 4 << 20
_MOST_STOPPED = 8
STALL_SECONDS = 600.0
"""No run counts as stalled before this much silence."""
STALL_FACTOR = 5.0
"""… nor before this many times its usual silence."""
STALL_LONGEST = 1.5
"""… nor before this many times the longest silence that it has come back from: a long validation is part of it."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_SCAN_SHARE = 0.0003
"""Of one core, spent on looking for processes that are new."""


def patience(usual: float, longest: float) -> float:
    """Return how many seconds of silence a run's rhythm allows.

    Args:
        usual: its median silence, in seconds.
        longest: the longest that it has come back from.
    """
    return max(STALL_SECONDS, STALL_FACTOR * usual, STALL_LONGEST * longest)


class Rhythm:
    """How long the console is usually silent, by the monotonic clock: the wall clock may jump."""

    def __init__(self, size: int) -> None:
        self.silent = 0.0
        """Seconds of silence at the last look."""
        self.longest = 0.0
        """Seconds of the longest silence that was followed by output."""
        self._usual: float | None = None
        self._has_reported = False
        self._size = size
        self._grew_at = time.monotonic()
        self._gaps: deque[float] = deque(maxlen=65)

    def observe(self, size: int) -> tuple[float, float | None]:
        """Take note of the console's size.

        Returns:
            Seconds of silence until now, and the median silence between outputs (None before the second output).
        """
        moment = time.monotonic()
        if size != self._size:
            self._gaps.append(moment - self._grew_at)
            self.longest = max(self.longest, moment - self._grew_at)
            self._size, self._grew_at = size, moment
            self._has_reported = False
        self._usual = sorted(self._gaps)[len(self._gaps) // 2] if self._gaps else None
        self.silent = moment - self._grew_at
        return self.silent, self._usual

    def has_just_stalled(self) -> bool:
        """Return whether it is silent for longer than its rhythm allows; once for each silence."""
        stalled = self.silent > patience(self._usual or 0.0, self.longest)
        is_news, self._has_reported = stalled and not self._has_reported, self._has_reported or stalled
        return is_news


class Sampler:
    """Samples one run. Never raises: a run must not end because it cannot be measured."""

    def __init__(self, path: str, console: int, mark: str, gpus: Callable[[], list[dict[str, Any]]] = list) -> None:
        """Sample into a file; `gpus` returns a dictionary for each GPU of the run."""
        self._path = path
        self._gpus = gpus
        self._console = console
        self._marker = mark
        self.rhythm = Rhythm(os.fstat(console).st_size)
        self._previous_stats: dict[int, Stat] | None = None
        """The processes at the last sample; None before the first."""
        self.stopped: list[int] = []
        """The processes that were stopped by a signal or held by a debugger at the last sample."""
        self._scan_due = 0.0
        self._host: tuple[int, int] | None = None
        with contextlib.suppress(OSError, ValueError, LookupError):
            self._host = _host_ticks()
        self._moment = time.monotonic()

    def sample(self) -> None:
        """Measure and append one line."""
        with contextlib.suppress(OSError, ValueError, LookupError):
            line = json.dumps(self._measure(), separators=(",", ":")) + "\n"
            descriptor = open_append(self._path)
            try:
                os.write(descriptor, line.encode())
                size = os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
            if size > LIMIT_BYTES:
                thin(self._path)

    def _measure(self) -> dict[str, object]:
        moment = time.monotonic()
        elapsed = max(moment - self._moment, 1e-3)
        self._moment = moment
        busy, rss = self._measure_processes(moment)
        self.stopped = sorted(pid for pid, stat in (self._previous_stats or {}).items() if stat.state in "Tt")
        host = _host_ticks()
        before, self._host = self._host or host, host
        total = max(host[1] - before[1], 1)
        memory_total, memory_available = _host_memory()
        silent, rhythm = self.rhythm.observe(os.fstat(self._console).st_size)
        space = os.statvfs(os.path.dirname(self._path))
        return {
            "time": round(time.time(), 3),
            "monotonic": round(moment, 3),
            "processes": len(self._previous_stats or ()),
            "stopped": self.stopped[:_MOST_STOPPED],
            "cpu_percent": round(100 * busy / _TICKS_PER_SECOND / elapsed, 1),
            "rss_bytes": rss,
            "host_cpu_percent": round(100 * (host[0] - before[0]) / total, 1),
            "host_memory_used_bytes": memory_total - memory_available,
            "host_memory_bytes": memory_total,
            "disk_free_bytes": space.f_bavail * space.f_frsize,
            "silent_seconds": round(silent, 1),
            "rhythm_seconds": None if rhythm is None else round(rhythm, 1),
            "longest_seconds": round(self.rhythm.longest, 1),
            "gpus": self._gpus(),
        }

    def _measure_processes(self, moment: float) -> tuple[int, int]:
        """Return CPU ticks since the last sample (of one core) and resident bytes, over the processes of the run."""
        previous = self._previous_stats or {}
        if moment >= self._scan_due:
            started = time.thread_time()
            current = {stat.pid: stat for stat in descendants(os.getpid(), self._marker)}
            self._scan_due = moment + (time.thread_time() - started) / _SCAN_SHARE
        else:
            stats = (read_stat(pid) for pid in previous)
            current = {
                stat.pid: stat
                for stat in stats
                if stat is not None and stat.start_time == previous[stat.pid].start_time and stat.state not in "ZX"
            }
        is_first, self._previous_stats = self._previous_stats is None, current
        if is_first:  # none of them is older than this sampler
            return sum(stat.cpu_ticks for stat in current.values()), _resident(current)
        ticks = 0
        for pid, stat in current.items():
            before = previous.get(pid)
            if before is not None and before.start_time == stat.start_time:
                ticks += stat.cpu_ticks - before.cpu_ticks
        return ticks, _resident(current)


def _resident(processes: dict[int, Stat]) -> int:
    return sum(stat.rss_pages for stat in processes.values()) * _PAGE_BYTES


def thin(path: str) -> None:
    """Keep every second line."""
    with open_regular(path) as whole, atomic_stream(path, durable=False) as thinned:
        for number, line in enumerate(whole):
            if number % 2:
                thinned.write(line)


def _host_ticks() -> tuple[int, int]:
    """Return busy and total CPU ticks of the machine since boot."""
    with open("/proc/stat", "rb") as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def _host_memory() -> tuple[int, int]:
    """Return total and available bytes of the machine."""
    found = {}
    with open("/proc/meminfo", "rb") as file:
        for line in file:
            name, _, value = line.partition(b":")
            if name in (b"MemTotal", b"MemAvailable"):
                found[name] = int(value.split()[0]) * 1024
            if len(found) == 2:
                break
    return found[b"MemTotal"], found[b"MemAvailable"]
