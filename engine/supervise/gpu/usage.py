"""How hard the GPUs of a run work: a program that prints it as JSON, a line for each look, while somebody reads it.

`python -I usage.py SECONDS MARK [GPU …]`: the GPUs with these names (an index, or the UUID of a MIG instance), which
are those of the lease, and others on which a process with this mark computes, which are outside of it. Without a lease
nothing is outside of it. The driver's library takes more memory than a whole runner, and a driver that hangs must hang
nobody else: so the runner reads the lines of this process, which ends once its runner has gone.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # before another `engine` in site-packages

from engine.files.programs import script_command
from engine.runner.containers import belongs_to, container_ids
from engine.supervise.gpu.inventory import (
    NVML_VARIABLE,
    CannotAsk,
    ask_smi,
    by_nvml_module,
    devices_by_smi,
    mebibytes,
    nvml_devices,
)

Reading = dict[str, Any]
"""Of one GPU: `index`, `utilization_percent`, `memory_used_bytes`, `memory_bytes`, `power_watts`,
`temperature_celsius`, and `run_memory_bytes`, of the run's own processes; None where the driver does not tell.
`outside_lease` is there, and True, only where the run has a lease of other GPUs."""
_PROCESS_LOOKS = 6
"""nvidia-smi is asked for the processes at the first looks and at every so many later ones: it takes a tenth of a
second of CPU each time."""
_READING_KEYS = (
    *("index", "utilization_percent", "memory_used_bytes", "memory_bytes", "power_watts", "temperature_celsius"),
    "run_memory_bytes",
)
_SMI_FIELDS = "index,utilization.gpu,memory.used,memory.total,power.draw,temperature.gpu"


def usage_command() -> list[str]:
    """Return argv of this file as a program, without its arguments."""
    return script_command(__file__)


def main(argv: Sequence[str]) -> int:
    """Print a line every so many seconds; 1 when there is nothing that could be asked."""
    seconds, mark, leased = float(argv[0]), argv[1], list(argv[2:])
    look = _by_nvml(mark, leased) if os.environ.get(NVML_VARIABLE) != "0" else None
    if look is None:
        look = _by_smi(mark, leased)
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


def _by_nvml(mark: str, leased: Sequence[str]) -> Callable[[], list[Reading]] | None:
    """Ask NVML; return None where it is not installed, or finds no driver."""
    nvml = by_nvml_module()
    if nvml is None:
        return None
    handles = [(name, handle) for name, handle, _ in nvml_devices(nvml)]
    own = _OwnProcesses(mark)

    def look() -> list[Reading]:
        readings = []
        for name, handle in handles:
            run_bytes = own.bytes_of(_nvml_processes(nvml, handle))
            if name in leased or run_bytes is not None:
                readings.append(_with_lease(_read(nvml, name, handle, run_bytes), leased))
        return readings

    return look


def _nvml_processes(nvml: Any, handle: Any) -> list[tuple[int, int]]:
    """Return pid and bytes of everything that computes on a GPU."""
    processes = _nvml_value(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle)) or ()
    return [(int(process.pid), int(process.usedGpuMemory or 0)) for process in processes]


def _with_lease(reading: Reading, leased: Sequence[str]) -> Reading:
    """Return a reading, marked where its GPU is outside of the lease."""
    return {**reading, "outside_lease": True} if leased and reading["index"] not in leased else reading


class _OwnProcesses:
    """Which processes on the GPUs belong to a run, those of its containers among them."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._own: set[int] = set()
        self._foreign: set[int] = set()

    def bytes_of(self, processes: Iterable[tuple[int, int]]) -> int | None:
        """Return the bytes that the run's own among these processes have; None where none is its own.

        Args:
            processes: pid and bytes of each.
        """
        found = None
        ids = container_ids(self._mark)
        for pid, size in processes:
            if self._is_own(pid, ids):
                found = (found or 0) + size
        return found

    def _is_own(self, pid: int, ids: Sequence[str]) -> bool:
        if pid in self._own or (pid in self._foreign and not ids):
            return pid in self._own
        # A container's id may become known after its processes have been seen.
        is_own = belongs_to(pid, self._mark, ids)
        (self._own if is_own else self._foreign).add(pid)
        return is_own


def _read(nvml: Any, name: str, handle: Any, run_bytes: int | None) -> Reading:
    memory = _nvml_value(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    power = _nvml_value(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    return {
        "index": name,
        "utilization_percent": _nvml_value(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "memory_used_bytes": None if memory is None else int(memory.used),
        "memory_bytes": None if memory is None else int(memory.total),
        "power_watts": None if power is None else round(power / 1000, 1),
        "temperature_celsius": _nvml_value(
            nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
        ),
        "run_memory_bytes": run_bytes,
    }


def _nvml_value(nvml: Any, ask: Callable[[], Any]) -> Any:
    """Return what the driver says; None where this GPU does not tell it."""
    try:
        return ask()
    except nvml.NVMLError:
        return None


def _by_smi(mark: str, leased: Sequence[str]) -> Callable[[], list[Reading]]:
    """Ask nvidia-smi, which without a lease would have to be asked for the processes all the time."""
    own = _OwnProcesses(mark)
    looks = 0
    may_be_divided = True
    by_processes: list[Reading] = []

    def look() -> list[Reading]:
        nonlocal looks, by_processes, may_be_divided
        if not leased:
            raise CannotAsk("which GPUs a run uses is known by NVML alone (nvidia-ml-py)")
        rows = ask_smi(f"--query-gpu={_SMI_FIELDS}", 6)
        if looks < _PROCESS_LOOKS or looks % _PROCESS_LOOKS == 0:
            devices = devices_by_smi(may_be_divided=may_be_divided)
            may_be_divided = any("parent" in device for device in devices)
            by_processes = list(_by_processes(devices, own, leased))
        looks += 1
        return [*(_of_smi(row) for row in rows if row[0] in leased), *by_processes]

    return look


def _by_processes(devices: Sequence[dict[str, Any]], own: _OwnProcesses, leased: Sequence[str]) -> Iterator[Reading]:
    """Yield the leased MIG instances, whose load nvidia-smi does not tell, and the GPUs outside of the lease."""
    for device in devices:
        processes = [(process["pid"], process["bytes"]) for process in device["processes"]]
        run_bytes = own.bytes_of(processes)
        is_leased = device["index"] in leased
        is_shown = "parent" in device if is_leased else run_bytes is not None
        if is_shown:
            reading = dict.fromkeys(_READING_KEYS)
            used = sum(size for _, size in processes) if "parent" in device else None
            reading.update(index=device["index"], memory_used_bytes=used, memory_bytes=device["total_bytes"] or None)
            yield _with_lease({**reading, "run_memory_bytes": run_bytes}, leased)


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
