"""A disk that fills and a GPU that does nothing are reported in time, and once."""

from collections.abc import Iterable
from typing import Any

from engine.supervise.alerts.resources import ResourceAlerts

GB = 10**9


def alerts(samples: Iterable[dict[str, Any]], gpu_idle_minutes: float = 10.0) -> list[tuple[str, str]]:
    resources = ResourceAlerts(gpu_idle_minutes)
    return [tuple(alert) for sample in samples for alert in resources.take(sample)]  # type: ignore[misc]


def disk(free: Iterable[float], seconds: float = 60.0) -> list[dict[str, Any]]:
    return [{"monotonic": 5000.0 + seconds * n, "disk_free_bytes": size} for n, size in enumerate(free)]


def gpu(utilizations: Iterable[float | None], seconds: float = 60.0) -> list[dict[str, Any]]:
    return [
        {"monotonic": seconds * n, "gpus": [{"index": "1", "utilization_percent": percent}]}
        for n, percent in enumerate(utilizations)
    ]


def test_a_disk_that_is_full_within_the_hour_is_reported_once() -> None:
    free = [40 * GB - n * GB for n in range(30)]
    assert alerts(disk(free)) == [("disk", "30.0 GB free, full in 30 min at this pace")]


def test_a_disk_that_lasts_is_not_reported() -> None:
    assert alerts(disk([900 * GB - n * GB for n in range(60)])) == []


def test_one_checkpoint_is_no_pace() -> None:
    free = [40 * GB, *[30 * GB] * 3]
    assert alerts(disk(free, seconds=100.0)) == []


def test_it_is_reported_again_once_there_was_room() -> None:
    filling = [20 * GB - n * GB for n in range(12)]
    assert [event for event, _ in alerts(disk([*filling, *[900 * GB] * 12, *filling]))] == ["disk", "disk"]


def test_a_gpu_that_does_nothing_is_reported_once_for_each_time() -> None:
    idle = [0.0] * 12
    assert alerts(gpu([90.0, *idle, 80.0, *idle])) == [
        ("gpu-idle", "GPU 1 idle for 10 min"),
        ("gpu-idle", "GPU 1 idle for 10 min"),
    ]


def test_a_gpu_that_works_now_and_then_is_not() -> None:
    assert alerts(gpu([0.0, 0.0, 0.0, 0.0, 50.0] * 6), gpu_idle_minutes=5.0) == []


def test_a_driver_that_says_nothing_says_nothing_of_idleness() -> None:
    assert alerts(gpu([None] * 30)) == []
    assert alerts([{}, {"monotonic": "soon"}, {"monotonic": 1.0, "gpus": ["x"]}]) == []
