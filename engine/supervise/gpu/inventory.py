"""The GPUs of this machine and who computes on them; as a program it prints that as JSON, for runners.

A GPU that is divided into MIG instances is not among them; its instances are, each named by its UUID.

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
import sys
import time
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

NVML_VARIABLE = "YOLOQAT_NVML"
"""`0` leaves NVML alone and asks nvidia-smi."""
_SMI_SECONDS = 30.0
_MEBIBYTE = 1 << 20
_REMEMBERED_SECONDS = 60.0
_GPU_LINE = re.compile(r"^GPU (\d+): .*\(UUID: (GPU-[^)\s]+)\)")
_MIG_LINE = re.compile(r"^\s+MIG .*Device\s+(\d+): \(UUID: (MIG-[^)\s]+)\)")
"""Lines of `nvidia-smi -L`."""
_remembered: tuple[float, list[dict[str, Any]]] | None = None


class CannotAsk(Exception):
    """There is a driver, and it does not answer; the message says what it said."""


def query_command() -> list[str]:
    """Return argv of this file as a program."""
    from engine.files.programs import script_command  # not above: as a program this file stands alone

    return script_command(__file__)


def gpus_here() -> list[dict[str, Any]]:
    """Return the GPUs, as `read_gpus` tells them; asked once a minute at most.

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


def read_gpus(*, may_be_divided: bool = True) -> list[dict[str, Any]]:
    """Return every GPU: `index`, `uuid`, `total_bytes`, and `processes` with `pid` and `bytes` (0 where unknown).

    Of a MIG instance `index` is its UUID, too, and `parent` the index of its GPU.

    Args:
        may_be_divided: False where it is known that there are no MIG instances, which saves asking for them.

    Raises:
        CannotAsk: the driver does not answer.
    """
    if not _may_have_gpus():
        return []
    gpus = _by_nvml() if os.environ.get(NVML_VARIABLE) != "0" else None
    if gpus is None and shutil.which("nvidia-smi"):
        gpus = devices_by_smi(may_be_divided=may_be_divided)
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
        return [
            {
                "index": name,
                "uuid": _text(pynvml.nvmlDeviceGetUUID(handle)),
                "total_bytes": int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
                "processes": [
                    {"pid": int(process.pid), "bytes": int(process.usedGpuMemory or 0)}
                    for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
                ],
                **({"parent": parent} if parent else {}),
            }
            for name, handle, parent in nvml_devices(pynvml)
        ]
    except pynvml.NVMLError:  # nvidia-smi says it in words
        return None


def nvml_devices(nvml: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield name and handle of every GPU and MIG instance, and of an instance the index of its GPU."""
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        if not _is_divided(nvml, handle):
            yield str(index), handle, ""
            continue
        for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            try:
                instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            except nvml.NVMLError:  # there are fewer than there may be
                continue
            yield _text(nvml.nvmlDeviceGetUUID(instance)), instance, str(index)


def _is_divided(nvml: Any, handle: Any) -> bool:
    """Return whether a GPU is in MIG mode; False where neither it nor the driver knows of such a mode."""
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError:
        return False


def devices_by_smi(*, may_be_divided: bool = True) -> list[dict[str, Any]]:
    """Return what `read_gpus` does, by nvidia-smi.

    Raises:
        CannotAsk: the driver does not answer.
    """
    gpus: list[dict[str, Any]] = [
        {"index": index, "uuid": uuid, "total_bytes": mebibytes(total), "processes": []}
        for index, uuid, total in ask_smi("--query-gpu=index,uuid,memory.total", 3)
    ]
    by_uuid = {gpu["uuid"]: gpu for gpu in gpus}
    for uuid, pid, used in ask_smi("--query-compute-apps=gpu_uuid,pid,used_memory", 3):
        if uuid in by_uuid and pid.isdigit():
            by_uuid[uuid]["processes"].append({"pid": int(pid), "bytes": mebibytes(used)})
    instances = _instances(_smi_output("-L")) if may_be_divided else {}
    if not instances:
        return gpus
    divided = _divided_gpus(_smi_output("-q", "-x"), instances)
    return [
        device
        for gpu in gpus
        for device in ([{**part, "parent": gpu["index"]} for part in divided.get(gpu["uuid"], ())] or [gpu])
    ]


def _instances(listing: str) -> dict[str, dict[str, str]]:
    """Return, by the UUID of each GPU that has any, the UUIDs of its MIG instances by their numbers."""
    instances: dict[str, dict[str, str]] = {}
    gpu = ""
    for line in listing.splitlines():
        if match := _GPU_LINE.match(line):
            gpu = match[2]
        elif (match := _MIG_LINE.match(line)) and gpu:
            instances.setdefault(gpu, {})[match[1]] = match[2]
    return instances


def _divided_gpus(report: str, instances: dict[str, dict[str, str]]) -> dict[str, list[dict[str, Any]]]:
    """Return the MIG instances of each divided GPU, by its UUID, as nvidia-smi's XML report describes them."""
    try:
        gpus = ElementTree.fromstring(report).findall("gpu")
    except ElementTree.ParseError as error:
        raise CannotAsk(f"nvidia-smi -q -x: {error}") from error
    divided: dict[str, list[dict[str, Any]]] = {}
    for gpu in gpus:
        uuid = gpu.findtext("uuid", "").strip()
        if uuid not in instances:
            continue
        by_number = {device.findtext("index", "").strip(): device for device in gpu.iter("mig_device")}
        for number, name in instances[uuid].items():
            device = by_number.get(number)
            total = "" if device is None else device.findtext("fb_memory_usage/total", "")
            processes = [] if device is None else list(_processes_of(gpu, device))
            total_bytes = mebibytes(total.strip().partition(" ")[0])
            record = {"index": name, "uuid": name, "total_bytes": total_bytes, "processes": processes}
            divided.setdefault(uuid, []).append(record)
    return divided


def _processes_of(gpu: ElementTree.Element, device: ElementTree.Element) -> Iterator[dict[str, int]]:
    """Yield the processes of a MIG instance; the report lists those of all instances of a GPU together."""
    ids = [device.findtext(part, "").strip() for part in ("gpu_instance_id", "compute_instance_id")]
    for process in gpu.iter("process_info"):
        process_ids = [process.findtext(part, "").strip() for part in ("gpu_instance_id", "compute_instance_id")]
        pid = process.findtext("pid", "").strip()
        if process_ids == ids and pid.isdigit():
            used = process.findtext("used_memory", "").strip().partition(" ")[0]
            yield {"pid": int(pid), "bytes": mebibytes(used)}


def ask_smi(query: str, columns: int) -> list[list[str]]:
    """Return the rows that nvidia-smi prints, as far as they have so many columns.

    Raises:
        CannotAsk: it is not there, or the driver does not answer.
    """
    output = _smi_output(query, "--format=csv,noheader,nounits")
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(output))]
    return [row for row in rows if len(row) == columns]


def _smi_output(*options: str) -> str:
    """Return what nvidia-smi prints.

    Raises:
        CannotAsk: it is not there, or the driver does not answer.
    """
    command = ["nvidia-smi", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotAsk(f"nvidia-smi: {error}") from error
    if done.returncode:
        error_lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotAsk(f"nvidia-smi: {error_lines[0] if error_lines else f'exit code {done.returncode}'}")
    return done.stdout


def mebibytes(text: str) -> int:
    """Return bytes; 0 for `[N/A]`, which some drivers say."""
    return int(text) * _MEBIBYTE if text.isdigit() else 0


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def main() -> None:
    """Print `{"gpus": […]}`, or `{"error": "…"}`. With `--whole` no MIG instances are looked for."""
    try:
        answer: dict[str, Any] = {"gpus": read_gpus(may_be_divided="--whole" not in sys.argv[1:])}
    except CannotAsk as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
