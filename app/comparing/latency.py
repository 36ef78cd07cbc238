"""Latency and throughput of models, from the results and logs of benchmarks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from db.views import RunDetail


@dataclass(frozen=True)
class Speed:
    """The latency of a model file in its last benchmark."""

    milliseconds: float
    """Median latency of one batch."""
    times: float | None
    """Speedup over the float model of the same benchmark."""
    batch: int
    runtime: str

    @property
    def text(self) -> str:
        """`29.30 ms, 2.43× float`"""
        times = "" if self.times is None else f", {self.times:.2f}× float"
        return f"{self.milliseconds:.2f} ms{f', batch {self.batch}' if self.batch != 1 else ''}{times}"


def speeds(details: Sequence[RunDetail]) -> dict[str, Speed]:
    """Return SHA-256 of a file → its speed in these runs, the last `benchmark` first, else from `int8`."""
    speeds: dict[str, Speed] = {}
    for detail in sorted(details, key=lambda one: (one.run.stage == "benchmark", one.run.created_at)):
        speeds.update(_by_int8(detail))
        speeds.update(_by_benchmark(detail))
    return speeds


def _by_benchmark(detail: RunDetail) -> Iterator[tuple[str, Speed]]:
    """Yield (SHA-256, speed) of the smallest batch."""
    for model in _mapping(detail.details.get("benchmark")).get("models") or ():
        timings = [timing for timing in model.get("timings") or () if _is_number(timing.get("median"))]
        if model.get("sha256") and timings:
            least = min(timings, key=lambda timing: int(timing["batch"]))
            yield model["sha256"], Speed(least["median"], least.get("speed"), least["batch"], model.get("runtime", ""))


def _by_int8(detail: RunDetail) -> Iterator[tuple[str, Speed]]:
    files = _mapping(_mapping(detail.details.get("latency")).get("files"))
    float_median = _mapping(files.get("float")).get("median")
    for label, is_input, role in (("ONNX INT8", False, "onnx"), ("ONNX Q/DQ", True, "weights")):
        median = _mapping(files.get(label)).get("median")
        file = next((one for one in detail.artifacts if one.is_input is is_input and one.role == role), None)
        if file is not None and _is_number(median):
            times = float_median / median if _is_number(float_median) else None
            yield file.sha256, Speed(median, times, 1, "onnxruntime")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def timed_latency(detail: RunDetail) -> tuple[str, float] | None:
    """Return the latency as text and as the median of one batch in ms; None if the log has none."""
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
    parts = [f"{median:.2f} ms" + (f" (GPU {computed:.2f})" if _is_number(computed) else "")]
    parts += [f"batch {batch}"] if isinstance(batch, int) and batch != 1 else []
    parts += [str(benchmark[key]) for key in ("precision", "device") if isinstance(benchmark.get(key), str)]
    return ", ".join(parts), float(median)


def timed_throughput(detail: RunDetail) -> tuple[str, float] | None:
    """Return the throughput as text and in batches per second; None if the log has none."""
    rate = _benchmark(detail).get("throughput_qps")
    return (f"{rate:.1f} qps", float(rate)) if _is_number(rate) else None


def _benchmark(detail: RunDetail) -> Mapping[str, Any]:
    """Return the payload of the last trtexec benchmark; empty if malformed, because a log may contain anything."""
    benchmark_payloads = (event.payload for event in reversed(detail.events) if event.kind == "benchmark")
    return next((payload for payload in benchmark_payloads if payload.get("program") == "trtexec"), {})


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
