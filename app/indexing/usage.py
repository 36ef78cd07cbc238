"""Index the resource usage of an attempt: means, extremes and a short curve of the runner's samples."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from app.following.file_stamps import Stamp, stamp_of
from db.open import Store
from db.rows_of_facts import to_json
from db.tables import Usage
from db.writer import write_usage
from engine.files.safe_open import read_regular

CURVE_POINTS = 120
_CHECK_SECONDS = 10.0
_READ_SHARE = 0.001
"""Limit of the share of one core for reading the samples of a live run again."""
_KEYS = {
    "cpu_percent": ("run", "cpu_percent"),
    "rss_bytes": ("run", "rss_bytes"),
    "host_cpu_percent": ("host", "cpu_percent"),
    "host_memory_used_bytes": ("host", "memory_used_bytes"),
    "host_memory_bytes": ("host", "memory_bytes"),
    "disk_free_bytes": ("host", "disk_free_bytes"),
}
"""Field of a sample → device and key of its row."""
_Key = tuple[str, str]


class Sample(NamedTuple):
    """One line of the runner's samples."""

    moment: float
    """Seconds on the monotonic clock of the machine."""
    values: Mapping[_Key, float]


class UsageFollower:
    """Keeps the rows of one attempt equal to its samples, a file that the runner rewrites to thin it."""

    def __init__(self, run_id: str, attempt: int, path: Path) -> None:
        self._run_id = run_id
        self._attempt = attempt
        self._path = path
        self._stamp: Stamp | None = None
        self._due = 0.0

    def update_index(self, store: Store, *, finish: bool) -> None:
        """Read changed samples every few seconds, and at the end of the attempt. The run's row must exist."""
        if not finish and time.monotonic() < self._due:
            return
        stamp = stamp_of(self._path)
        if stamp is None or stamp == self._stamp:
            return
        started = time.thread_time()
        rows = usage_rows(self._run_id, self._attempt, samples_of(self._path))
        with store.writing(self._run_id) as connection:
            write_usage(connection, self._run_id, self._attempt, rows)
        self._stamp = stamp
        self._due = time.monotonic() + max(_CHECK_SECONDS, (time.thread_time() - started) / _READ_SHARE)


def usage_rows(run_id: str, attempt: int, samples: Iterable[Sample]) -> list[Usage]:
    """Return a row for each sampled quantity.

    A sample is weighted by the time since the previous one, so thinning does not shift the mean.
    """
    all_samples = list(samples)
    by_key: dict[_Key, list[tuple[float, float, float]]] = {}
    before = None
    for sample in all_samples:
        weight = max(sample.moment - before, 1e-3) if before is not None else 1e-3
        before = sample.moment
        for key, value in sample.values.items():
            by_key.setdefault(key, []).append((sample.moment, weight, value))
    if not all_samples:
        return []
    start, end = all_samples[0].moment, all_samples[-1].moment
    return [
        Usage(
            run_id=run_id,
            attempt=attempt,
            device=device,
            key=key,
            mean=_mean(points),
            least=min(value for *_, value in points),
            most=max(value for *_, value in points),
            last=points[-1][2],
            curve=to_json(_curve(points, start, end, min(CURVE_POINTS, len(all_samples)))),
        )
        for (device, key), points in sorted(by_key.items())
    ]


def _mean(points: list[tuple[float, float, float]]) -> float:
    return round(sum(weight * value for _, weight, value in points) / sum(weight for _, weight, _ in points), 3)


def _curve(points: list[tuple[float, float, float]], start: float, end: float, count: int) -> list[float | None]:
    parts: list[list[tuple[float, float, float]]] = [[] for _ in range(count)]
    for point in points:
        share = (point[0] - start) / (end - start) if end > start else 0.0
        parts[min(int(share * count), count - 1)].append(point)
    return [_mean(part) if part else None for part in parts]


_LONGEST_LINE = 1 << 16
"""Bytes; a sample of eight GPUs has two thousand."""


def samples_of(path: Path) -> Iterator[Sample]:
    """Yield the valid samples: a full disk may have cut a line."""
    try:
        lines = read_regular(path).splitlines()
    except OSError:
        return
    for line in lines:
        if len(line) > _LONGEST_LINE:
            continue
        try:
            record = json.loads(line)
            yield Sample(float(record["monotonic"]), dict(_values(record)))
        except (ValueError, LookupError, TypeError, AttributeError):
            continue


def _values(record: Mapping[str, Any]) -> Iterator[tuple[_Key, float]]:
    for field, key in _KEYS.items():
        if isinstance(record.get(field), int | float):
            yield key, float(record[field])
    for gpu in record.get("gpus") or ():
        for field, value in gpu.items():
            if field != "index" and isinstance(value, int | float) and not isinstance(value, bool):
                yield (f"gpu {gpu['index']}", field), float(value)
