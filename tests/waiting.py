"""Waits that allow for a busy machine: a limit is for a hang, and a hang stays one whatever else runs."""

import os
import time
from collections.abc import Callable

_MARGIN = 2.0
"""Limits are doubled even on an idle machine: the load average rises a minute after the load."""


def patience(seconds: float) -> float:
    """The limit of a wait that takes at most `seconds` on an idle machine, scaled by what this one is busy with."""
    return seconds * _MARGIN * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def paced(seconds: float) -> float:
    """A pause of a stand-in trainer, long enough for what watches it to get its turn on a busy machine."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(
    condition: Callable[[], object],
    seconds: float = 30.0,
    *,
    describe: Callable[[], object] | None = None,
    poll_seconds: float = 0.03,
) -> None:
    """Wait until a condition holds.

    Args:
        seconds: the limit on an idle machine; see `patience`.
        describe: the state to show when the limit is exceeded.

    Raises:
        AssertionError: the limit is exceeded. The load is read again at every look, for it may have risen meanwhile.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > patience(seconds):
            state = f": {describe()}" if describe is not None else ""
            raise AssertionError(f"the condition did not hold within {waited:.0f} s{state}")
        time.sleep(poll_seconds)
