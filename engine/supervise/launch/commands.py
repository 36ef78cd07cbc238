"""How the runner and our own stages are called."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.contracts.options.arguments import to_argv
from engine.contracts.options.base import StageOptions
from engine.files import programs
from engine.files.programs import ENTRY, module_command, script_command

PACKAGE_ROOT = Path(programs.PACKAGE_ROOT)
"""The folder that holds `engine`: a source tree, or `_yoloqat` in site-packages."""
RUNNER = PACKAGE_ROOT / "engine" / "runner" / "__main__.py"


def runner_command(*arguments: str) -> list[str]:
    """Return argv of the runner, which needs no installed package: see `engine.runner.__main__`."""
    return script_command(str(RUNNER), *arguments, site_packages=False)


def engine_command(stage: str, options: StageOptions, run_dir: Path, python: str | None = None) -> list[str]:
    """Return argv of one of our stages.

    Args:
        python: the interpreter that runs it, with our sources; this one when None.
    """
    return module_command("engine", stage, "--run-dir", str(run_dir), *to_argv(options), python=python)


def current_command(recorded: Sequence[str], python: str | None = None) -> list[str]:
    """Return a recorded command line of a stage as it is called today; anything else is left as it is.

    An upgrade may have moved our files, and versions before 0.2 wrote `python -P -m engine …`.

    Args:
        python: in the place of the recorded interpreter.
    """
    program, *rest = recorded
    if rest[:3] == ["-P", "-m", "engine"]:
        arguments = rest[3:]
    elif rest[2:4] == ["--module", "engine"] and os.path.basename(rest[1]) == os.path.basename(ENTRY):
        arguments = rest[4:]
    else:
        return list(recorded)
    return module_command("engine", *arguments, python=python or program)


def engine_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables of our own stages on top of the user's. Other commands get none of this.

    The working directory stays off the path of every Python that a stage starts, and so do relative folders of the
    user's PYTHONPATH, which mean whatever the working directory is. Its other folders stay: torch may lie there.
    """
    folders = environment.get("PYTHONPATH", "").split(os.pathsep)
    return {"PYTHONPATH": os.pathsep.join(filter(os.path.isabs, folders)), "PYTHONSAFEPATH": "1"}
