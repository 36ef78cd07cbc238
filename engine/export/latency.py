"""How fast files run in ONNX Runtime on the CPU, side by side."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.export.agreement import session
from engine.export.onnx_export import INPUT

WARM_UP = 3


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one run."""

    median: float
    least: float
    p90: float
    rounds: int
    batch: int

    @property
    def images_per_second(self) -> float:
        return 1000 * self.batch / self.median


def measure(files: Mapping[str, Path], images: np.ndarray, *, rounds: int, threads: int) -> dict[str, Latency]:
    """Time each file on the same images, taking turns, so that a machine that slows down slows all of them.

    Args:
        files: label → file.
        images: (B, 3, H, W) float32, 0 to 1.
        rounds: runs of each, after a warm-up.
        threads: of one run.
    """
    sessions = {label: session(path, optimize=True, threads=threads) for label, path in files.items()}
    times: dict[str, list[float]] = {label: [] for label in files}
    for turn in range(-WARM_UP, rounds):
        for label, runtime in sessions.items():
            began = time.perf_counter()
            runtime.run(None, {INPUT: images})
            if turn >= 0:
                times[label].append((time.perf_counter() - began) * 1000)
    return {
        label: Latency(
            median=statistics.median(taken),
            least=min(taken),
            p90=float(np.quantile(taken, 0.9)),
            rounds=rounds,
            batch=len(images),
        )
        for label, taken in times.items()
    }
