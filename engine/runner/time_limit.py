"""The time limit of a run: its runner stops it then, as a user's stop does."""

import math
from collections.abc import Mapping
from typing import Any

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


class TimeLimit:
    """How long a stage may run, by the monotonic clock."""

    def __init__(self, launch: Mapping[str, Any], started: float) -> None:
        """Read the limit from `launch.json`. `started` is the start of the stage on the monotonic clock."""
        seconds = float(launch.get("time_limit") or 0.0)
        used = float((launch.get("retry") or {}).get("seconds_used") or 0.0)
        self.deadline = started + max(seconds - used, 0.0) if seconds else math.inf
        self.reason = f"time limit of {_text(seconds)} reached"
        """What the outcome says of a stop at the deadline."""


def _text(seconds: float) -> str:
    """Return `12 h`, `90 min`, `1.5 s`: the largest unit that it is a whole number of."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"
