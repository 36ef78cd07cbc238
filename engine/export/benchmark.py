"""Time models side by side: latency, throughput and memory, each model in its own process, one run of each in turn."""

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
"""Runs of each model before the first that counts."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds per run of one batch."""

    batch: int
    median: float
    p25: float
    p75: float
    p95: float
    least: float
    rounds: int
    images_per_second: float
    """From the median."""


@dataclass
class Subject:
    """A model and its measurements."""

    path: Path
    label: str = ""
    runtime: str = ""
    provider: str = ""
    peak_mb: float = 0.0
    """Peak resident memory of its process, including the runtime library."""
    library_mb: float = 0.0
    """The part of `peak_mb` that the process had before it opened the model."""
    timings: list[Timing] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    """Batch sizes that a file with a fixed batch size does not accept."""

    @property
    def is_float(self) -> bool:
        return self.label in ("float", "ONNX", "ONNX float")

    def timing(self, batch: int) -> Timing | None:
        """Return the timing of a batch size; None if it was skipped."""
        return next((timing for timing in self.timings if timing.batch == batch), None)


class Worker:
    """Connection to the process that runs one model, see `timing_worker`."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Path, path: Path) -> None:
        self._process = process
        self._errors = errors
        self._path = path
        self.facts = self._read_answer()

    def run(self, batch: int) -> dict[str, Any]:
        """Run one batch in the process, and return its measurements."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{batch}\n")
            self._process.stdin.flush()
        return self._read_answer()

    def _read_answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            error_lines = self._errors.read_text(errors="replace").strip().splitlines()
            reason = error_lines[-1][:300] if error_lines else f"signal {-code}" if code < 0 else f"exit code {code}"
            raise YoloqatError(f"cannot time this model: {reason}", where=str(self._path))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise YoloqatError(answer["error"], where=str(self._path))
        return answer


@contextmanager
def open_worker(path: Path, *, threads: int, device: str, size: int, provider: str = "") -> Iterator[Worker]:
    """Start the process of a model, and end it on exit.

    Args:
        path: .pt or .onnx.
        threads: number of threads for its computations.
        device: `cpu`, or the index of a CUDA device, for checkpoints.
        size: height and width of the images, unless the file fixes them.
        provider: ONNX Runtime's execution provider.

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
    """Time models on the same images, one run of each in turn, so that a slowdown of the machine affects all alike.

    Args:
        paths: .pt and .onnx files; each gets a process.
        batches: batch sizes.
        rounds: runs per model and batch size, after a warm-up.
        threads: see `open_worker`.
        device: see `open_worker`.
        size: see `open_worker`.
        labels: labels of files, which take precedence over those in their metadata.
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
            duplicates = sum(subject.label.split(" #")[0] == label for subject, _ in pairs)
            pairs.append(
                (Subject(path, f"{label} #{duplicates + 1}" if duplicates else label, **subject_facts), worker)
            )
        _check_sizes(pairs)
        for batch in sorted(set(batches)):
            _take_turns(pairs, batch, rounds)
    return [subject for subject, _ in pairs]


def _check_sizes(pairs: Sequence[tuple[Subject, Worker]]) -> None:
    sizes = {worker.facts["image_size"]: subject.path for subject, worker in pairs}
    if len(sizes) > 1:
        size_list = ", ".join(f"{path.name} {size}" for size, path in sizes.items())
        raise YoloqatError(
            f"the models have different image sizes: {size_list}",
            hint="Set --img-size to the size of the ONNX files, and time only files of one size.",
        )


def _take_turns(pairs: Sequence[tuple[Subject, Worker]], batch: int, rounds: int) -> None:
    times: dict[int, list[float]] = {}
    for turn in range(-WARM_UP, rounds):
        for i, (subject, worker) in enumerate(pairs):
            if worker.facts["fixed_batch"] not in (0, batch):
                continue
            answer = worker.run(batch)
            subject.peak_mb = answer["peak_mb"]
            if turn >= 0:
                times.setdefault(i, []).append(answer["ms"])
    for i, (subject, _) in enumerate(pairs):
        if i in times:
            subject.timings.append(summarize(batch, times[i]))
        else:
            subject.skipped.append(batch)


def summarize(batch: int, milliseconds: Sequence[float]) -> Timing:
    """Compute median and spread of the runs of one batch size."""
    p25, p75, p95 = (float(value) for value in np.quantile(milliseconds, (0.25, 0.75, 0.95)))
    median = statistics.median(milliseconds)
    return Timing(batch, median, p25, p75, p95, min(milliseconds), len(milliseconds), 1000 * batch / median)


def reference_of(subject: Subject, subjects: Sequence[Subject]) -> Subject:
    """Return the float model that a speed-up refers to: in the same runtime if there is one, else the first."""
    floats = [other for other in subjects if other.is_float] or list(subjects[:1])
    return next((other for other in floats if other.runtime == subject.runtime), floats[0])
