"""GPUs that PyTorch cannot use: no driver, no devices, missing libraries, versions that do not go together."""

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
_LEAST_DRIVER = {11: (450, 80), 12: (525, 60), 13: (580, 65)}
"""By the CUDA series that PyTorch was built for, as the release notes of the CUDA toolkit tell it."""
_START = "https://pytorch.org/get-started/locally/"
_IN_A_CONTAINER = "In a container: start it with `--gpus all` (NVIDIA Container Toolkit)."
Find = Callable[[str], Path | None]
"""The file that a library is loaded from; None where it cannot be loaded."""


@dataclass(frozen=True, slots=True)
class Torch:
    """What a PyTorch was built for."""

    version: str
    cuda: str | None


def check_gpu(root: Path = Path("/"), torch: Torch | None = None, find: Find | None = None) -> Iterator[Finding]:
    """Everything between the card and PyTorch.

    Args:
        root: of the file system; another one in tests.
        torch: of the Python that runs our stages; without one there is nothing to look at.
        find: how libraries are looked for; by the loader when None.
    """
    if torch is None:
        return
    driver = driver_version(root)
    if driver is None:
        yield _without_driver(root, torch)
        return
    findings = [*_of_torch(torch, driver), *_of_the_devices(root), *_of_the_libraries(driver, find or load)]
    if not any(finding.level is Level.PROBLEM for finding in findings):
        yield Finding(Level.OK, "GPU", f"driver {driver}, torch {torch.version} for CUDA {torch.cuda}")
    yield from findings


def driver_version(root: Path) -> str | None:
    """Of the kernel module that is loaded; None when there is none."""
    try:
        text = (root / "proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    match = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
    return match[1] if match else "of an unknown version"


def load(name: str) -> Path | None:
    """Load a library as PyTorch would, and see where it came from."""
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


def _of_torch(torch: Torch, driver: str) -> Iterator[Finding]:
    if torch.cuda is None:
        text = f"there is an NVIDIA driver, but torch {torch.version} is a build for CPUs"
        yield Finding(Level.PROBLEM, "GPU", text, f"Install a CUDA build: see {_START}")
        return
    least = _LEAST_DRIVER.get(int(torch.cuda.partition(".")[0]))
    numbers = tuple(int(number) for number in driver.split(".")[:2]) if driver[0].isdigit() else None
    if least is not None and numbers is not None and numbers < least:
        least_version = ".".join(map(str, least))
        yield Finding(
            Level.PROBLEM,
            "GPU",
            f"driver {driver} is too old for torch {torch.version}, which is built for CUDA {torch.cuda}",
            f"Upgrade the driver to {least_version} or later, or install a build for an older CUDA: see {_START}",
        )


def _of_the_devices(root: Path) -> Iterator[Finding]:
    device = root / "dev/nvidiactl"
    if not device.exists():
        yield Finding(Level.PROBLEM, "GPU", "there is an NVIDIA driver, but no /dev/nvidiactl", _IN_A_CONTAINER)
    elif not os.access(device, os.R_OK | os.W_OK):
        hint = "Ask for membership in the group that owns it: `ls -l /dev/nvidia*` shows which."
        yield Finding(Level.PROBLEM, "GPU", "/dev/nvidiactl may not be opened by you", hint)


def _of_the_libraries(driver: str, find: Find) -> Iterator[Finding]:
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
            f"the driver's libraries are {match[1]}, the loaded kernel module is {driver}: they refuse one another",
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
            f"{missing} and there is no nvidia-smi: the queue sees no processes that are not ours, and no load",
            "pip install 'yoloqat[gpu]'" if nvml else f"Install nvidia-smi. {_IN_A_CONTAINER}",
        )
