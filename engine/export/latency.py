"""Time ONNX files side by side in ONNX Runtime on the CPU, within this process."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.export.agreement import session
from engine.export.onnx_export import INPUT

WARM_UP = 3
"""Runs of each file before the first that counts."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds per run."""

    median: float
    least: float
    p90: float
    rounds: int
    batch: int

    @property
    def images_per_second(self) -> float:
        return 1000 * self.batch / self.median


def measure(files: Mapping[str, Path], images: np.ndarray, *, rounds: int, threads: int) -> dict[str, Latency]:
    """Time files on the same images, one run of each in turn, so that a slowdown of the machine affects all alike.

    Args:
        files: label → file.
        images: (B, 3, H, W) float32, 0 to 1.
        rounds: runs per file, after a warm-up.
        threads: number of threads of a run.
    """
    sessions = {label: session(path, optimize=True, threads=threads) for label, path in files.items()}
    times: dict[str, list[float]] = {label: [] for label in files}
    for turn in range(-WARM_UP, rounds):
        for label, runtime in sessions.items():
            start = time.perf_counter()
            runtime.run(None, {INPUT: images})
            if turn >= 0:
                times[label].append((time.perf_counter() - start) * 1000)
    return {
        label: Latency(
            median=statistics.median(milliseconds),
            least=min(milliseconds),
            p90=float(np.quantile(milliseconds, 0.9)),
            rounds=rounds,
            batch=len(images),
        )
        for label, milliseconds in times.items()
    }
