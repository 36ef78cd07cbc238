"""How our own stages are called."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.contracts.options.arguments import to_argv
from engine.contracts.options.base import StageOptions

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `engine`: a source tree, or site-packages."""
RUNNER = PACKAGE_ROOT / "engine" / "runner" / "__main__.py"
"""The runner, started by its path: see there."""


def engine_command(stage: str, options: StageOptions, run_dir: Path) -> list[str]:
    """argv of one of our stages. `-P` keeps the working directory's own `engine.py` out of the way."""
    return [sys.executable, "-P", "-m", "engine", stage, "--run-dir", str(run_dir), *to_argv(options)]


def engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of our own stages on top of the user's, so that they import our `engine` wherever they run.

    Of the user's PYTHONPATH, what would put another `engine` first is left out: folders that have one, and relative
    ones, which mean whatever the working directory is. Other commands get none of this.
    """
    ours = [] if _is_installed() else [str(PACKAGE_ROOT)]
    users = environment.get("PYTHONPATH", "").split(os.pathsep)
    kept = [folder for folder in users if os.path.isabs(folder) and folder not in ours and not _has_engine(folder)]
    return {"PYTHONPATH": os.pathsep.join(ours + kept), "PYTHONSAFEPATH": "1"}


def _is_installed() -> bool:
    """An installed package is found anyway, and site-packages must not come before the standard library."""
    return PACKAGE_ROOT.name in ("site-packages", "dist-packages")


def _has_engine(folder: str) -> bool:
    return os.path.isdir(os.path.join(folder, "engine")) or os.path.isfile(os.path.join(folder, "engine.py"))
