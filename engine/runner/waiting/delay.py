"""Waiting for a time: the pause before a retry, or the start that a user has chosen."""

import time
from collections.abc import Mapping
from typing import Any

_MINUTE = 60.0
_STEP_SECONDS = 10
"""A countdown below two minutes goes by such steps: each one is written to disk and read into the index."""


def delay_reason(not_before: float, retry: Mapping[str, Any], now: float) -> str:
    """Return why a run waits for a time, empty once that has come.

    Args:
        not_before: in seconds since 1970.
        retry: the attempt's place in a series of attempts, as in `launch.json`.
        now: as `not_before`.
    """
    if now >= not_before:
        return ""
    number = int(retry.get("number") or 0)
    if not number:
        return f"starts at {clock_time(not_before, now)}"
    left = countdown(not_before - now)
    return f"retry {number} of {retry.get('limit')} in {left} after {retry.get('after')}"


def clock_time(moment: float, now: float) -> str:
    """Return `22:00`, with the date where that is not today's, in local time."""
    is_today = time.localtime(moment)[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", time.localtime(moment))


def countdown(seconds: float) -> str:
    """Return `40 s`, `5 min`, rounded up."""
    if seconds > 2 * _MINUTE:
        return f"{-int(-seconds // _MINUTE)} min"
    return f"{-int(-seconds // _STEP_SECONDS) * _STEP_SECONDS} s"
