"""Check installed packages against the requirements of yoloqat, without importing them."""

import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from app.doctor.finding import Finding, Level

DISTRIBUTIONS = ("yoloqat", "yoloqat-manager")
"""The complete distribution, and the one without the requirements of stages."""


def check_packages(distributions: Sequence[str] = DISTRIBUTIONS) -> Iterator[Finding]:
    """Check for versions outside of the required ranges."""
    installed = [name for name in distributions if _version(name)]
    if not installed:
        yield Finding(Level.NOTE, "packages", "yoloqat is not installed: it runs from its source folder")
        return
    if len(installed) > 1:
        text = f"{' and '.join(installed)} are both installed, with the same files"
        hint = f"{sys.executable} -m pip uninstall {' '.join(installed)}; then install one of them"
        yield Finding(Level.PROBLEM, "packages", text, hint)
    distribution = installed[0]
    requirements = requires(distribution) or []
    mistakes = [mistake for text in requirements if (mistake := _mistake(Requirement(text)))]
    for mistake in mistakes:
        yield Finding(Level.PROBLEM, "packages", mistake, f"{sys.executable} -m pip install --upgrade {distribution}")
    if not mistakes:
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
    return f"{requirement.name} is {installed_version}, required {requirement.specifier}"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
