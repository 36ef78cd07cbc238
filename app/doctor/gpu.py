"""Check that PyTorch can use the GPU: driver, devices, libraries, versions."""

import ctypes
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.doctor.finding import Finding, Level

_NVIDIA = "0x10de"
_DISPLAY = "0x03"
_MIN_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 65)}
"""CUDA series that PyTorch was built for → oldest driver, from the release notes of the CUDA toolkit."""
_START = "https://pytorch.org/get-started/locally/"
_IN_A_CONTAINER = "In a container: start it with `--gpus all` (NVIDIA Container Toolkit)."
Find = Callable[[str], Path | None]
"""Library name → the file that it is loaded from; None if it cannot be loaded."""


@dataclass(frozen=True, slots=True)
class Torch:
    """A PyTorch and the CUDA version it was built for; None for CPU builds."""

    version: str
    cuda: str | None


def check_gpu(root: Path = Path("/"), torch: Torch | None = None, find: Find | None = None) -> Iterator[Finding]:
    """Check everything between the GPU and PyTorch.

    Args:
        root: the root of the file system, replaced in tests.
        torch: PyTorch of the Python that runs our stages; None skips the check.
        find: how to find libraries; with the dynamic loader when None.
    """
    if torch is None:
        return
    driver = driver_version(root)
    if driver is None:
        yield _without_driver(root, torch)
        return
    findings = [*_check_torch(torch, driver), *_check_devices(root), *_check_libraries(driver, find or load)]
    if not any(finding.level is Level.PROBLEM for finding in findings):
        yield Finding(Level.OK, "GPU", f"driver {driver}, torch {torch.version} for CUDA {torch.cuda}")
    yield from findings


def driver_version(root: Path) -> str | None:
    """Return the version of the loaded kernel module; None if none is loaded."""
    try:
        text = (root / "proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
    return match[1] if match else "of unknown version"


def load(name: str) -> Path | None:
    """Load a library as PyTorch does, and return its path."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return None
    stem = name.partition(".so")[0]
    try:
        mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Path(name)
    paths = [Path(line.split(maxsplit=5)[-1].strip()) for line in mapped.splitlines() if f"/{stem}.so" in line]
    return paths[0] if paths else Path(name)


def _without_driver(root: Path, torch: Torch) -> Finding:
    if not _has_card(root):
        return Finding(Level.OK, "GPU", f"no NVIDIA GPU here: torch {torch.version} computes on the CPU")
    hint = f"Install the driver, or load it: modprobe nvidia. {_IN_A_CONTAINER}"
    return Finding(Level.PROBLEM, "GPU", "there is an NVIDIA GPU, but no driver is loaded", hint)


def _has_card(root: Path) -> bool:
    for device in (root / "sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == _NVIDIA and kind.startswith(_DISPLAY):
            return True
    return False


def _check_torch(torch: Torch, driver: str) -> Iterator[Finding]:
    if torch.cuda is None:
        text = f"there is an NVIDIA driver, but torch {torch.version} is a build for CPUs"
        yield Finding(Level.PROBLEM, "GPU", text, f"Install a CUDA build: see {_START}")
        return
    min_driver = _MIN_DRIVER.get(int(torch.cuda.partition(".")[0]))
    numbers = tuple(int(number) for number in driver.split(".")[:2]) if driver[0].isdigit() else None
    if min_driver is not None and numbers is not None and numbers < min_driver:
        min_version = ".".join(map(str, min_driver))
        yield Finding(
            Level.PROBLEM,
            "GPU",
            f"driver {driver} is too old for torch {torch.version}, which is built for CUDA {torch.cuda}",
            f"Upgrade the driver to {min_version} or later, or install a build for an older CUDA: see {_START}",
        )


def _check_devices(root: Path) -> Iterator[Finding]:
    device = root / "dev/nvidiactl"
    if not device.exists():
        yield Finding(Level.PROBLEM, "GPU", "there is an NVIDIA driver, but no /dev/nvidiactl", _IN_A_CONTAINER)
    elif not os.access(device, os.R_OK | os.W_OK):
        hint = "Ask for membership in the group that owns it: `ls -l /dev/nvidia*` shows which."
        yield Finding(Level.PROBLEM, "GPU", "no permission to open /dev/nvidiactl", hint)


def _check_libraries(driver: str, find: Find) -> Iterator[Finding]:
    if find("libcuda.so.1") is None:
        text = "libcuda.so.1, the driver's library, cannot be loaded: PyTorch will see no GPU"
        hint = f"Install the driver's CUDA library (Debian: libcuda1), then run `ldconfig`. {_IN_A_CONTAINER}"
        yield Finding(Level.PROBLEM, "GPU libraries", text, hint)
    nvml = find("libnvidia-ml.so.1")
    match = re.search(r"\.so\.(\d{3,}\.\d+(?:\.\d+)?)$", str(nvml.resolve())) if nvml else None
    if match and driver[0].isdigit() and match[1] != driver:
        yield Finding(
            Level.PROBLEM,
            "GPU libraries",
            f"the driver's libraries are {match[1]}, the loaded kernel module is {driver}: the versions must match",
            "The driver was upgraded while it was in use: restart the machine, or reload the module.",
        )
    try:
        has_bindings = bool(version("nvidia-ml-py"))
    except PackageNotFoundError:
        has_bindings = False
    if (nvml is None or not has_bindings) and shutil.which("nvidia-smi") is None:
        missing = "libnvidia-ml.so.1 cannot be loaded" if nvml is None else "nvidia-ml-py is not installed"
        yield Finding(
            Level.WARNING,
            "GPU libraries",
            f"{missing} and there is no nvidia-smi: the queue cannot see load and processes of other programs",
            "pip install 'yoloqat[gpu]'" if nvml else f"Install nvidia-smi. {_IN_A_CONTAINER}",
        )
