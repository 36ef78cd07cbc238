"""The GPUs of this machine and who computes on them; as a program it prints that as JSON, for runners.

Standard library, and NVML where `nvidia-ml-py` is installed; else `nvidia-smi`; else the device files, which at least
tell that there are GPUs. Runners call this file by its path, in a process of its own that ends at once: the driver's
library takes more memory than a whole runner, and a driver that hangs must hang nobody else.
"""

import csv
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import time
from typing import Any

NVML_VARIABLE = "YOLOQAT_NVML"
"""`0` leaves NVML alone and asks nvidia-smi."""
_SMI_SECONDS = 30.0
_MEBIBYTE = 1 << 20
_REMEMBERED_SECONDS = 60.0
_remembered: tuple[float, list[dict[str, Any]]] | None = None


class CannotAsk(Exception):
    """There is a driver, and it does not answer; the message says what it said."""


def query_command() -> list[str]:
    """Return argv of this file as a program."""
    from engine.files.programs import script_command  # not above: as a program this file stands alone

    return script_command(__file__)


def gpus_here() -> list[dict[str, Any]]:
    """Return the GPUs, as `look` tells them; asked once a minute at most.

    Empty where there are none, or none that answers.
    """
    global _remembered
    if not _may_have_gpus():
        return []
    if _remembered is None or time.monotonic() - _remembered[0] > _REMEMBERED_SECONDS:
        try:
            done = subprocess.run(query_command(), capture_output=True, timeout=_SMI_SECONDS, check=False)
            gpus = json.loads(done.stdout).get("gpus", [])
        except (OSError, ValueError, subprocess.TimeoutExpired):
            gpus = []
        _remembered = (time.monotonic(), gpus)
    return _remembered[1]


def look() -> list[dict[str, Any]]:
    """Return every GPU: `index`, `uuid`, `total_bytes`, and `processes` with `pid` and `bytes` (0 where unknown).

    Raises:
        CannotAsk: the driver does not answer.
    """
    if not _may_have_gpus():
        return []
    gpus = _by_nvml() if os.environ.get(NVML_VARIABLE) != "0" else None
    if gpus is None and shutil.which("nvidia-smi"):
        gpus = _by_smi()
    return _by_device_files() if gpus is None else gpus


def _may_have_gpus() -> bool:
    return bool(_device_files() or shutil.which("nvidia-smi"))


def _device_files() -> list[str]:
    return sorted((name[6:] for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name)), key=int)


def _by_device_files() -> list[dict[str, Any]]:
    return [{"index": index, "uuid": "", "total_bytes": 0, "processes": []} for index in _device_files()]


def by_nvml_module() -> Any:
    """Return NVML's module, initialised; None where it is not installed, or finds no driver."""
    try:
        pynvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _by_nvml() -> list[dict[str, Any]] | None:
    """Ask NVML; return None where it cannot be asked."""
    pynvml = by_nvml_module()
    if pynvml is None:
        return None
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [
            {
                "index": str(index),
                "uuid": _text(pynvml.nvmlDeviceGetUUID(handle)),
                "total_bytes": int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
                "processes": [
                    {"pid": int(process.pid), "bytes": int(process.usedGpuMemory or 0)}
                    for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                ],
            }
            for index, handle in enumerate(handles)
        ]
    except pynvml.NVMLError:  # nvidia-smi says it in words
        return None


def _by_smi() -> list[dict[str, Any]]:
    gpus: list[dict[str, Any]] = [
        {"index": index, "uuid": uuid, "total_bytes": mebibytes(total), "processes": []}
        for index, uuid, total in ask_smi("--query-gpu=index,uuid,memory.total", 3)
    ]
    by_uuid = {gpu["uuid"]: gpu for gpu in gpus}
    for uuid, pid, used in ask_smi("--query-compute-apps=gpu_uuid,pid,used_memory", 3):
        if uuid in by_uuid and pid.isdigit():
            by_uuid[uuid]["processes"].append({"pid": int(pid), "bytes": mebibytes(used)})
    return gpus


def ask_smi(query: str, columns: int) -> list[list[str]]:
    """Return the rows that nvidia-smi prints, as far as they have so many columns.

    Raises:
        CannotAsk: it is not there, or the driver does not answer.
    """
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotAsk(f"nvidia-smi: {error}") from error
    if done.returncode:
        error_lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotAsk(f"nvidia-smi: {error_lines[0] if error_lines else f'exit code {done.returncode}'}")
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(done.stdout))]
    return [row for row in rows if len(row) == columns]


def mebibytes(text: str) -> int:
    """Return bytes; 0 for `[N/A]`, which some drivers say."""
    return int(text) * _MEBIBYTE if text.isdigit() else 0


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    """Print `{"gpus": […]}`, or `{"error": "…"}`."""
    try:
        answer: dict[str, Any] = {"gpus": look()}
    except CannotAsk as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
