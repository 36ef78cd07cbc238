"""The version of this program."""

import importlib.metadata
import tomllib
from pathlib import Path

_TREE = Path(__file__).resolve().parents[2]
_DISTRIBUTIONS = ("yoloqat", "yoloqat-manager")


def version(tree: Path = _TREE) -> str:
    """Return the version of the source tree that this code runs from, else of the installed distribution.

    The tree comes first because another version may be installed in the same environment.
    """
    project = tree / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    for name in _DISTRIBUTIONS:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
