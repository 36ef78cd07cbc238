"""What every command needs of the machine, and the words for what an odd one lacks."""

import os
import sys

from engine.contracts.errors import YoloqatError

PROC = "/proc/self/stat"


def require_proc() -> None:
    """Check that processes can be seen: without /proc, every live run would be taken for a lost one.

    Raises:
        YoloqatError: /proc is not mounted.
    """
    if not os.path.exists(PROC):
        raise YoloqatError(
            "there is no /proc: neither states of runs nor their processes can be seen",
            hint="Mount it: `mount -t proc proc /proc`. Containers and chroots need it, too.",
        )


def missing_module(error: ModuleNotFoundError) -> YoloqatError | None:
    """Return the error for a module of the standard library that this Python was built without; None for others."""
    name = (error.name or "").partition(".")[0].removeprefix("_")
    if name not in sys.stdlib_module_names and f"_{name}" not in sys.stdlib_module_names:
        return None
    return YoloqatError(
        f"this Python has no module {name}",
        where=sys.executable,
        hint="It was built without it (sqlite3 needs libsqlite3-dev), or a package of the distribution holds it. "
        "Build Python again, or install yoloqat with another one.",
    )


def has_working_directory() -> bool:
    """Return whether the working directory still exists."""
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def deleted_working_directory() -> YoloqatError:
    """Return the error of a command that needs the working directory after somebody deleted it."""
    return YoloqatError("the working directory was deleted", hint="Change to one that exists: `cd`.")


def is_first_process() -> bool:
    """Return whether this is the first process of a container, whose end ends everything in it."""
    return os.getpid() == 1
