"""Alerts on what a run takes: the disk that it fills, and GPUs that do nothing."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from engine.supervise.alerts.alert import Alert

PACE_SECONDS = 600.0
"""The pace of the disk is that of the last ten minutes: a checkpoint alone is no pace."""
_FULL_WITHIN_SECONDS = 3600.0
_RECOVERED_SECONDS = 2 * _FULL_WITHIN_SECONDS
"""Once the disk lasts so long again, the next time that it does not is reported."""
_IDLE_PERCENT = 1.0
_MINUTE = 60.0


class ResourceAlerts:
    """Takes the runner's samples in their order. Each condition is reported once, and again after it was over."""

    def __init__(self, gpu_idle_minutes: float) -> None:
        """Take how many minutes a GPU must do nothing before that is an alert."""
        self._idle_seconds = gpu_idle_minutes * _MINUTE
        self._free: deque[tuple[float, float]] = deque()
        """Monotonic time and free bytes, over the time that makes the pace."""
        self._is_filling = False
        self._idle_since: dict[str, float] = {}
        self._reported_gpus: set[str] = set()

    def take(self, sample: Mapping[str, Any]) -> Iterator[Alert]:
        """Yield what a sample is reported for. One without a time says nothing."""
        moment, free = sample.get("monotonic"), sample.get("disk_free_bytes")
        if not isinstance(moment, int | float):
            return
        if isinstance(free, int | float):
            yield from self._check_disk(float(moment), float(free))
        for gpu in sample.get("gpus") or ():
            if isinstance(gpu, dict):
                yield from self._check_gpu(float(moment), str(gpu.get("index")), gpu.get("utilization_percent"))

    def _check_disk(self, moment: float, free: float) -> Iterator[Alert]:
        self._free.append((moment, free))
        # The oldest sample that stays is the last one before the window begins.
        while len(self._free) > 1 and self._free[1][0] <= moment - PACE_SECONDS:
            self._free.popleft()
        began, free_before = self._free[0]
        if moment - began < PACE_SECONDS:
            return
        pace = (free_before - free) / (moment - began)
        left = free / pace if pace > 0 else float("inf")
        if left <= _FULL_WITHIN_SECONDS and not self._is_filling:
            self._is_filling = True
            yield Alert("disk", f"{free / 1e9:.1f} GB free, full in {left / _MINUTE:.0f} min at this pace")
        elif left >= _RECOVERED_SECONDS:
            self._is_filling = False

    def _check_gpu(self, moment: float, name: str, utilization: Any) -> Iterator[Alert]:
        if not isinstance(utilization, int | float):
            return
        if utilization > _IDLE_PERCENT:
            self._idle_since.pop(name, None)
            self._reported_gpus.discard(name)
            return
        since = self._idle_since.setdefault(name, moment)
        if moment - since >= self._idle_seconds and name not in self._reported_gpus:
            self._reported_gpus.add(name)
            yield Alert("gpu-idle", f"GPU {name} idle for {(moment - since) / _MINUTE:.0f} min")
