"""Timing a file with `trtexec`, where it is installed. Only programs that print like it have stood in for it so far."""

import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.export.onnx_export import INPUT
from engine.logs.dialects.trtexec import TrtexecResult, parse_trtexec

SECONDS = 3600
"""An engine of a large model takes minutes to build."""


@dataclass(frozen=True)
class Engine:
    """What trtexec said of one file."""

    label: str
    batch: int
    command: list[str]
    version: str | None
    median_ms: float | None
    """From host to host; None when it did not pass."""
    gpu_ms: float | None
    images_per_second: float | None
    engine_mib: float | None
    errors: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """For the event and `result.json`."""
        return asdict(self)


def find_trtexec() -> str | None:
    """Its path, None where it is absent."""
    return shutil.which("trtexec")


def time_engine(
    program: str, label: str, path: Path, *, image_size: int, batch: int, dynamic: bool, quantized: bool, log: Path
) -> Engine:
    """Build an engine for one batch, and time it.

    Args:
        program: of `find_trtexec`.
        label: of the file in tables.
        path: float or Q/DQ ONNX.
        image_size: height and width.
        batch: images to a run.
        dynamic: whether the file leaves the batch open.
        quantized: whether it has Q/DQ.
        log: gets all that trtexec prints.
    """
    command = [program, f"--onnx={path}"]
    if _has_precision_flags(program):
        command += ["--int8", "--fp16"] if quantized else ["--fp16"]
    if dynamic:
        command.append(f"--shapes={INPUT}:{batch}x3x{image_size}x{image_size}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS)
        printed = done.stdout + done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return Engine(label, batch, command, None, None, None, None, None, [str(error)])
    log.write_text(printed, encoding="utf-8")
    return _engine(label, batch, command, parse_trtexec(printed), done.returncode)


def _has_precision_flags(program: str) -> bool:
    """TensorRT 11 has none: its types are those of the file."""
    try:
        done = subprocess.run([program, "--help"], capture_output=True, text=True, errors="replace", timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return "--int8" in done.stdout + done.stderr


def _engine(label: str, batch: int, command: list[str], result: TrtexecResult, code: int) -> Engine:
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
