"""Where the leases of a user lie, and how wide the CPU lane is."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from engine.contracts.errors import YoloqatError

FOLDER_VARIABLE = "YOLOQAT_LEASES"
WIDTH_VARIABLE = "YOLOQAT_CPU_LANE"
DEFAULT_WIDTH = 1
"""One training takes every core; a second one beside it makes both slower and doubles the memory."""


def lease_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this user's leases on this machine, the same for every workspace.

    Not in the runtime folder, which goes with the last login, nor in the temporary one, which is tidied: a lock file
    that is made anew while a run holds the old one would give its GPU away. A home that several machines share has one
    folder for each.
    """
    folder_variable = environment.get(FOLDER_VARIABLE)
    if folder_variable:
        return Path(os.path.abspath(folder_variable))
    state = environment.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return base / "yoloqat" / "leases" / (platform.node() or "localhost")


def lane_width(setting: int | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Return how many runs may have the CPU lane at a time: by YOLOQAT_CPU_LANE, else the setting, else 1; 0 for any
    number.

    Raises:
        YoloqatError: the variable holds no such number.
    """
    text = environment.get(WIDTH_VARIABLE, "").strip()
    if not text:
        return DEFAULT_WIDTH if setting is None else setting
    if not text.isdecimal():
        raise YoloqatError(
            f"{text!r} is not a number of runs", where=WIDTH_VARIABLE, hint="Give 1 or more, or 0 for any number."
        )
    return int(text)
