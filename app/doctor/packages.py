"""Python and the packages, as installed, against what yoloqat asks for. Nothing is imported."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from app.doctor.finding import Finding, Level

_DISTRIBUTION = "yoloqat"


def check_packages(distribution: str = _DISTRIBUTION) -> Iterator[Finding]:
    """Versions outside of the range that yoloqat is tested with."""
    try:
        ours, wanted = version(distribution), requires(distribution) or []
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
