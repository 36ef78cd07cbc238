"""How fast a model ran, of a run whose log is that of a program that times one."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from db.views import RunDetail


def timed_latency(detail: RunDetail) -> tuple[str, float] | None:
    """In words and as the median of one batch in milliseconds; None when the log tells of none."""
    benchmark = _benchmark(detail)
    timings = benchmark.get("timings")
    medians = {
        name: timing.get("median")
        for name, timing in (timings.items() if isinstance(timings, Mapping) else ())
        if isinstance(timing, Mapping)
    }
    median, computed = medians.get("latency"), medians.get("gpu_compute")
    if not _is_number(median):
        return None
    batch = benchmark.get("batch")
    words = [f"{median:.2f} ms" + (f" (GPU {computed:.2f})" if _is_number(computed) else "")]
    words += [f"batch {batch}"] if isinstance(batch, int) and batch != 1 else []
    words += [str(benchmark[key]) for key in ("precision", "device") if isinstance(benchmark.get(key), str)]
    return ", ".join(words), float(median)


def timed_throughput(detail: RunDetail) -> tuple[str, float] | None:
    """In words and as batches per second; None when the log tells of none."""
    rate = _benchmark(detail).get("throughput_qps")
    return (f"{rate:.1f} qps", float(rate)) if _is_number(rate) else None


def _benchmark(detail: RunDetail) -> Mapping[str, Any]:
    """The last one of trtexec. A log may hold anything under that name."""
    told = (event.payload for event in reversed(detail.events) if event.kind == "benchmark")
    return next((payload for payload in told if payload.get("program") == "trtexec"), {})


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
