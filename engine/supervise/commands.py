"""How our own stages are called."""

import sys
from pathlib import Path

from engine.contracts.options.arguments import to_argv
from engine.contracts.options.base import StageOptions

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `engine`: a source tree, or site-packages."""


def engine_command(stage: str, options: StageOptions, run_dir: Path) -> list[str]:
    """argv of one of our stages. `-P` keeps the working directory's own `engine.py` out of the way."""
    return [sys.executable, "-P", "-m", "engine", stage, "--run-dir", str(run_dir), *to_argv(options)]


def engine_environment() -> dict[str, str]:
    """Variables that our stages need on top of the user's, so that they import our `engine` wherever they run.

    The user's PYTHONPATH is replaced: with the common `PYTHONPATH=.`, an `engine.py` or `app/` in the working directory
    would come first. Other commands get none of this.
    """
    installed = PACKAGE_ROOT.name in ("site-packages", "dist-packages")
    # An installed package is found anyway, and site-packages must not come before the standard library.
    return {"PYTHONPATH": "" if installed else str(PACKAGE_ROOT), "PYTHONSAFEPATH": "1"}
