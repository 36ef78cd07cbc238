"""Python and the packages, as installed, against what yoloqat asks for. Nothing is imported."""

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from app.doctor.finding import Finding, Level

DISTRIBUTIONS = ("yoloqat", "yoloqat-manager")
"""The whole, and the same files without what the stages need."""


def check_packages(distributions: Sequence[str] = DISTRIBUTIONS) -> Iterator[Finding]:
    """Versions outside of the range that yoloqat is tested with."""
    installed = [name for name in distributions if _version(name)]
    if not installed:
        yield Finding(Level.NOTE, "packages", "yoloqat is not installed: it runs from its source folder")
        return
    if len(installed) > 1:
        text = f"{' and '.join(installed)} are both installed, and own the same files"
        hint = f"{sys.executable} -m pip uninstall {' '.join(installed)}; then install one of them"
        yield Finding(Level.PROBLEM, "packages", text, hint)
    distribution = installed[0]
    requirements = requires(distribution) or []
    wrong = [mistake for text in requirements if (mistake := _mistake(Requirement(text)))]
    for mistake in wrong:
        yield Finding(Level.PROBLEM, "packages", mistake, f"{sys.executable} -m pip install --upgrade {distribution}")
    if not wrong:
        text = f"{distribution} {_version(distribution)}, Python {platform.python_version()}, all in range"
        yield Finding(Level.OK, "packages", text)


def _mistake(requirement: Requirement) -> str:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    installed_version = _version(requirement.name)
    if installed_version is None:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(installed_version, prereleases=True):
        return ""
    return f"{requirement.name} is {installed_version}, wanted {requirement.specifier}"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
