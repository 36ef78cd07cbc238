"""Python and the packages, as installed, against what yoloqat asks for. Nothing is imported."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from app.services.doctor.finding import Finding, Level

_DISTRIBUTION = "yoloqat"


def check_packages() -> Iterator[Finding]:
    """Versions outside of the range that yoloqat is tested with."""
    try:
        ours, wanted = version(_DISTRIBUTION), requires(_DISTRIBUTION) or []
    except PackageNotFoundError:
        yield Finding(Level.NOTE, "packages", "yoloqat is not installed: it runs from its source folder")
        return
    wrong = [mistake for text in wanted if (mistake := _mistake(Requirement(text)))]
    for mistake in wrong:
        yield Finding(Level.PROBLEM, "packages", mistake, f"{sys.executable} -m pip install --upgrade {_DISTRIBUTION}")
    if not wrong:
        yield Finding(Level.OK, "packages", f"yoloqat {ours}, Python {platform.python_version()}, all in range")


def _mistake(requirement: Requirement) -> str:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(found, prereleases=True):
        return ""
    return f"{requirement.name} is {found}, wanted {requirement.specifier}"


def check_gpu(driver: Path = Path("/proc/driver/nvidia/version")) -> Iterator[Finding]:
    """A GPU that PyTorch cannot use."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return
    if not driver.exists():
        yield Finding(Level.OK, "GPU", f"no NVIDIA driver here: torch {torch} computes on the CPU")
        return
    build = torch.partition("+")[2]
    if build == "cpu":
        yield Finding(
            Level.PROBLEM,
            "GPU",
            f"there is an NVIDIA driver, but torch {torch} is a build for CPUs",
            "Install a CUDA build: see https://pytorch.org/get-started/locally/",
        )
        return
    line = driver.read_text(encoding="utf-8", errors="replace").splitlines()[0]
    yield Finding(Level.OK, "GPU", f"torch {torch}; {' '.join(line.split())}")
