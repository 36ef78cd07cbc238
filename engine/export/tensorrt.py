"""Time a file with `trtexec`, if it is installed. Tested only with programs that print like it."""

import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.export.onnx_export import INPUT
from engine.logs.dialects.trtexec import TrtexecResult, parse_trtexec

TIMEOUT_SECONDS = 3600
"""Building the engine of a large model takes minutes."""


@dataclass(frozen=True)
class Engine:
    """Result of trtexec for one file."""

    label: str
    batch: int
    command: list[str]
    version: str | None
    median_ms: float | None
    """Latency including transfers from and to the host; None if trtexec failed."""
    gpu_ms: float | None
    images_per_second: float | None
    engine_mib: float | None
    errors: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """Convert for the event and `result.json`."""
        return asdict(self)


def find_trtexec() -> str | None:
    """Return the path of `trtexec`; None if it is not installed."""
    return shutil.which("trtexec")


def time_engine(
    program: str, label: str, path: Path, *, image_size: int, batch: int, dynamic: bool, quantized: bool, log: Path
) -> Engine:
    """Build an engine for one batch size, and time it.

    Args:
        program: path of trtexec.
        label: label of the file in tables.
        path: float or Q/DQ ONNX file.
        image_size: height and width of the images.
        batch: batch size.
        dynamic: whether the file leaves the batch size open.
        quantized: whether the file has Q/DQ nodes.
        log: path that trtexec's output is written to.
    """
    command = [program, f"--onnx={path}"]
    if _has_precision_flags(program):
        command += ["--int8", "--fp16"] if quantized else ["--fp16"]
    if dynamic:
        command.append(f"--shapes={INPUT}:{batch}x3x{image_size}x{image_size}")
    try:
        completed = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS)
        printed = completed.stdout + completed.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return Engine(label, batch, command, None, None, None, None, None, [str(error)])
    log.write_text(printed, encoding="utf-8")
    return _engine_from(label, batch, command, parse_trtexec(printed), completed.returncode)


def _has_precision_flags(program: str) -> bool:
    """Return whether trtexec has `--int8` and `--fp16`; from TensorRT 11 on the file alone sets the types."""
    try:
        completed = subprocess.run([program, "--help"], capture_output=True, text=True, errors="replace", timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return "--int8" in completed.stdout + completed.stderr


def _engine_from(label: str, batch: int, command: list[str], result: TrtexecResult, code: int) -> Engine:
    if not result.passed:
        return Engine(
            label, batch, command, result.version, None, None, None, None, list(result.errors) or [f"exit code {code}"]
        )
    latency, gpu = result.timings.get("latency"), result.timings.get("gpu_compute")
    queries = float(result.throughput_qps) if result.throughput_qps else None
    return Engine(
        label=label,
        batch=batch,
        command=command,
        version=result.version,
        median_ms=float(latency.median) if latency else None,
        gpu_ms=float(gpu.median) if gpu else None,
        images_per_second=queries * batch if queries is not None else None,
        engine_mib=float(result.engine_mib) if result.engine_mib else None,
    )
