"""Models side by side: latency, throughput and memory, each in its own process, taking turns."""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engine.contracts.errors import YoloqatError
from engine.files.programs import module_command

WARM_UP = 3


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one run on one batch."""

    batch: int
    median: float
    p25: float
    p75: float
    p95: float
    least: float
    rounds: int
    images_per_second: float
    """By the median."""


@dataclass
class Subject:
    """A model that is timed."""

    path: Path
    label: str = ""
    runtime: str = ""
    provider: str = ""
    peak_mb: float = 0.0
    """Most memory that its process has had, the library included."""
    library_mb: float = 0.0
    """Of it, what the process had before it opened the model."""
    timings: list[Timing] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    """Batches that a file with a fixed one does not take."""

    @property
    def is_float(self) -> bool:
        return self.label in ("float", "ONNX", "ONNX float")

    def timing(self, batch: int) -> Timing | None:
        return next((timing for timing in self.timings if timing.batch == batch), None)


class Worker:
    """The process of one model."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Path, path: Path) -> None:
        self._process = process
        self._errors = errors
        self._path = path
        self.facts = self._read()

    def run(self, batch: int) -> dict[str, Any]:
        """Let it compute one batch."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{batch}\n")
            self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            error_lines = self._errors.read_text(errors="replace").strip().splitlines()
            why = error_lines[-1][:300] if error_lines else f"signal {-code}" if code < 0 else f"exit code {code}"
            raise YoloqatError(f"this model cannot be timed: {why}", where=str(self._path))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise YoloqatError(answer["error"], where=str(self._path))
        return answer


@contextmanager
def open_worker(path: Path, *, threads: int, device: str, size: int, provider: str = "") -> Iterator[Worker]:
    """Start the process of a model, and end it.

    Args:
        path: .pt or .onnx.
        threads: of its computations.
        device: `cpu`, or the index of a CUDA device, for checkpoints.
        size: height and width of the images, where the file leaves them open.
        provider: of ONNX Runtime.

    Raises:
        YoloqatError: the model cannot be opened.
    """
    command = module_command("engine.export.timing_worker", str(path), "--threads", str(threads))
    command += ["--device", device, "--size", str(size), *(["--provider", provider] if provider else [])]
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w+b") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **limits},
        )
        try:
            yield Worker(process, Path(errors.name), path)
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(
    paths: Sequence[Path],
    *,
    batches: Sequence[int],
    rounds: int,
    threads: int,
    device: str,
    size: int,
    labels: Mapping[Path, str] | None = None,
    provider: str = "",
) -> list[Subject]:
    """Time models on the same images, one run of each in turn, so that a machine that slows down slows all of them.

    Args:
        paths: .pt and .onnx files; each gets a process.
        batches: images to a run.
        rounds: runs of each model and batch, after a warm-up.
        threads: see `open_worker`.
        device: see `open_worker`.
        size: see `open_worker`.
        labels: names for files that do not tell their own.
        provider: see `open_worker`.
    """
    with ExitStack() as stack:
        pairs: list[tuple[Subject, Worker]] = []
        for path in paths:
            worker = stack.enter_context(
                open_worker(path, threads=threads, device=device, size=size, provider=provider)
            )
            subject_facts = {key: worker.facts[key] for key in ("runtime", "provider", "library_mb")}
            label = (labels or {}).get(path) or worker.facts["label"]
            same = sum(subject.label.split(" #")[0] == label for subject, _ in pairs)
            pairs.append((Subject(path, f"{label} #{same + 1}" if same else label, **subject_facts), worker))
        _check_sizes(pairs)
        for batch in sorted(set(batches)):
            _take_turns(pairs, batch, rounds)
    return [subject for subject, _ in pairs]


def _check_sizes(pairs: Sequence[tuple[Subject, Worker]]) -> None:
    sizes = {worker.facts["image_size"]: subject.path for subject, worker in pairs}
    if len(sizes) > 1:
        told = ", ".join(f"{path.name} {size}" for size, path in sizes.items())
        raise YoloqatError(
            f"models of different image sizes are not compared: {told}",
            hint="Give --img-size as the ONNX files have it.",
        )


def _take_turns(pairs: Sequence[tuple[Subject, Worker]], batch: int, rounds: int) -> None:
    times: dict[int, list[float]] = {}
    for turn in range(-WARM_UP, rounds):
        for i, (subject, worker) in enumerate(pairs):
            if worker.facts["fixed_batch"] not in (0, batch):
                continue
            told = worker.run(batch)
            subject.peak_mb = told["peak_mb"]
            if turn >= 0:
                times.setdefault(i, []).append(told["ms"])
    for i, (subject, _) in enumerate(pairs):
        if i in times:
            subject.timings.append(summary(batch, times[i]))
        else:
            subject.skipped.append(batch)


def summary(batch: int, milliseconds: Sequence[float]) -> Timing:
    """Median and spread of the runs."""
    p25, p75, p95 = (float(value) for value in np.quantile(milliseconds, (0.25, 0.75, 0.95)))
    median = statistics.median(milliseconds)
    return Timing(batch, median, p25, p75, p95, min(milliseconds), len(milliseconds), 1000 * batch / median)


def reference_of(subject: Subject, subjects: Sequence[Subject]) -> Subject:
    """The float model that a speed is against: in the same runtime if there is one, else the first."""
    floats = [other for other in subjects if other.is_float] or list(subjects[:1])
    return next((other for other in floats if other.runtime == subject.runtime), floats[0])
