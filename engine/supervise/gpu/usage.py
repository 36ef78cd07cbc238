"""How hard the GPUs of a run work: a program that prints it as JSON, a line for each look, while somebody reads it.

`python -I gpu_usage.py SECONDS MARK [GPU …]`: the GPUs with these indices, or without any those on which a process
with this mark computes. The driver's library takes more memory than a whole runner, and a driver that hangs must hang
nobody else: so the runner reads the lines of this process, which ends once its runner has gone.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # before another `engine` in site-packages

from engine.files.programs import script_command
from engine.runner.processes.children import marker_of
from engine.supervise.gpu.inventory import NVML_VARIABLE, CannotAsk, ask_smi, by_nvml_module, mebibytes

Reading = dict[str, Any]
"""Of one GPU: `index`, `utilization_percent`, `memory_used_bytes`, `memory_bytes`, `power_watts`,
`temperature_celsius`, and `run_memory_bytes`, of the run's own processes; None where the driver does not tell."""
_SMI_FIELDS = "index,utilization.gpu,memory.used,memory.total,power.draw,temperature.gpu"


def usage_command() -> list[str]:
    """Return argv of this file as a program, without its arguments."""
    return script_command(__file__)


def main(argv: Sequence[str]) -> int:
    """Print a line every so many seconds; 1 when there is nothing that could be asked."""
    seconds, mark, gpu_uuids = float(argv[0]), argv[1], list(argv[2:])
    look = _by_nvml(mark, gpu_uuids) if os.environ.get(NVML_VARIABLE) != "0" else None
    if look is None:
        look = _by_smi(gpu_uuids)
    runner, has_answered = os.getppid(), False
    while os.getppid() == runner:
        try:
            print(json.dumps(look(), separators=(",", ":")), flush=True)
            has_answered = True
        except CannotAsk as error:
            if not has_answered:
                print(f"gpu usage: {error}", file=sys.stderr)
                return 1
            print("[]", flush=True)  # a driver that is slow to answer once
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains of it at its end
            return 0
        time.sleep(seconds)
    return 0


def _by_nvml(mark: str, uuids: Sequence[str]) -> Callable[[], list[Reading]] | None:
    """Ask NVML; return None where it is not installed, or finds no driver."""
    nvml = by_nvml_module()
    if nvml is None:
        return None
    handles = [(str(index), nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(nvml.nvmlDeviceGetCount())]
    is_own_by_pid: dict[int, bool] = {}

    def look() -> list[Reading]:
        readings = []
        for index, handle in handles:
            if uuids and index not in uuids:
                continue
            ours = _memory_of_ours(nvml, handle, mark, is_own_by_pid)
            if uuids or ours is not None:
                readings.append(_read(nvml, index, handle, ours))
        return readings

    return look


def _memory_of_ours(nvml: Any, handle: Any, mark: str, is_ours_by_pid: dict[int, bool]) -> int | None:
    """Return bytes that processes with the mark have on a GPU; None where none of them is there."""
    found = None
    for process in _nvml_value(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)) or ():
        pid = int(process.pid)
        if pid not in is_ours_by_pid:
            is_ours_by_pid[pid] = marker_of(pid) == mark
        if is_ours_by_pid[pid]:
            found = (found or 0) + int(process.usedGpuMemory or 0)
    return found


def _read(nvml: Any, index: str, handle: Any, ours: int | None) -> Reading:
    memory = _nvml_value(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    power = _nvml_value(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    return {
        "index": index,
        "utilization_percent": _nvml_value(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "memory_used_bytes": None if memory is None else int(memory.used),
        "memory_bytes": None if memory is None else int(memory.total),
        "power_watts": None if power is None else round(power / 1000, 1),
        "temperature_celsius": _nvml_value(
            nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
        ),
        "run_memory_bytes": ours,
    }


def _nvml_value(nvml: Any, ask: Callable[[], Any]) -> Any:
    """Return what the driver says; None where this GPU does not tell it."""
    try:
        return ask()
    except nvml.NVMLError:
        return None


def _by_smi(uuids: Sequence[str]) -> Callable[[], list[Reading]]:
    """Ask nvidia-smi, which does not tell whose processes are on a GPU: without indices, return nothing."""

    def look() -> list[Reading]:
        if not uuids:
            raise CannotAsk("which GPUs a run uses is known by NVML alone (nvidia-ml-py)")
        rows = ask_smi(f"--query-gpu={_SMI_FIELDS}", 6)
        return [_of_smi(row) for row in rows if row[0] in uuids]

    return look


def _of_smi(row: Sequence[str]) -> Reading:
    index, utilization, used, total, power, temperature = row
    return {
        "index": index,
        "utilization_percent": _number(utilization),
        "memory_used_bytes": mebibytes(used) if used.isdigit() else None,
        "memory_bytes": mebibytes(total) if total.isdigit() else None,
        "power_watts": _number(power),
        "temperature_celsius": _number(temperature),
        "run_memory_bytes": None,
    }


def _number(text: str) -> float | None:
    """Parse a number; None for `[N/A]`."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
