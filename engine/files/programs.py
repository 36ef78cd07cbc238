"""Command lines of our own Python programs: the only place that makes them.

Standard library alone, and no more of it than a runner has loaded anyway.
"""

import os
import sys

PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that holds `app`, `configs`, `db` and `engine`: a source tree, or `_yoloqat` in site-packages."""


def _entry() -> str:
    """Return `yoloqat.py`: in a source tree it lies among our packages, in a wheel beside the folder that holds
    them.
    """
    inside = os.path.join(PACKAGE_ROOT, "yoloqat.py")
    return inside if os.path.isfile(inside) else os.path.join(os.path.dirname(PACKAGE_ROOT), "yoloqat.py")


ENTRY = _entry()


def module_command(module: str, *arguments: str, python: str | None = None) -> list[str]:
    """Return argv that runs one of our modules, whatever on PYTHONPATH or in the working directory is called like it.

    For what needs installed packages. The entry is named by its path, so that another interpreter runs these sources.

    Args:
        module: `engine`, `app.indexing.process`.
        python: the interpreter; this one when None.
    """
    return [python or sys.executable, "-P", ENTRY, "--module", module, *arguments]


def script_command(script: str, *arguments: str, site_packages: bool = True) -> list[str]:
    """Return argv that runs one of our files by its path, isolated from the user's environment and working directory.

    Args:
        script: imports nothing of ours, or puts `PACKAGE_ROOT` on its path itself.
        site_packages: whether it may need installed packages.
    """
    return [sys.executable, "-I", *([] if site_packages else ["-S"]), os.path.abspath(script), *arguments]
