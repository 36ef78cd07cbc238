"""Format durations, ages, metrics, points and sizes, the same for commands and screens.

The results are Unicode; widgets replace what an ASCII-only terminal cannot show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db.views import Number

ABSENT = "–"
"""The text for a missing value."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_WEEK, _YEAR = 7 * _DAY, 365 * _DAY
_LONGEST_SECONDS = 1e9
"""Longer times are capped: they are no measurements."""
_OUTCOME = re.compile(
    r"complete|stopped early|interrupted|crashed|out of memory|cut off|killed|terminated|segmentation fault"
    r"|out of shared memory|cancelled|time limit|preempted|node failed"
)
_NAN_LOSSES = re.compile(r", (?:all )?(losses nan)(?: since epoch \d+)?$")


def short_outcome(reason: str) -> str:
    """Shorten the outcome of a log to `complete`, `cut off`, `losses nan` …; empty for any other text."""
    if nan_losses := _NAN_LOSSES.search(reason):
        return nan_losses[1]
    match = _OUTCOME.match(reason)
    return match[0] if match else ""


def outside_lease(gpus: Sequence[str]) -> str:
    """Name GPUs outside of a lease: `on GPU 0 outside its lease`; empty for none."""
    return f"on GPU {', '.join(gpus)} outside its lease" if gpus else ""


def duration(seconds: float | None) -> str:
    """Format a duration: `0.4s`, `48s`, `4m 12s`, `3h 05m`, `2d 04h`; `–` when unknown. Never negative."""
    if seconds is None or seconds != seconds:
        return ABSENT
    return f"{seconds:.1f}s" if 0 <= seconds < 9.95 else _whole_duration(seconds)


def time_left(seconds: float | None) -> str:
    """Format remaining time as a duration; from ten minutes to an hour without seconds, which would only flicker."""
    if seconds is None or seconds != seconds:
        return ABSENT
    if 10 * _MINUTE <= seconds < _HOUR - _MINUTE / 2:
        return f"{round(seconds / _MINUTE)}m"
    return _whole_duration(seconds)


def _whole_duration(seconds: float) -> str:
    minutes, second = divmod(max(round(min(seconds, _LONGEST_SECONDS)), 0), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02d}h"
    if hours:
        return f"{hours}h {minute:02d}m"
    return f"{minutes}m {second:02d}s" if minutes else f"{second}s"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """Format an age in one unit: `now`, `5m`, `2h`, `3d`, `8w`, `2y`. A future time (a wrong clock) is `now`."""
    if moment is None:
        return ABSENT
    seconds = ((now or datetime.now(UTC)) - aware(moment)).total_seconds()
    for minimum, unit, symbol in (
        (_YEAR, _YEAR, "y"),
        (2 * _WEEK, _WEEK, "w"),
        (_DAY, _DAY, "d"),
        (_HOUR, _HOUR, "h"),
        (_MINUTE, _MINUTE, "m"),
    ):
        if seconds >= minimum:
            return f"{int(seconds // unit)}{symbol}"
    return "now"


def ago(moment: datetime) -> str:
    """Format an age within a sentence: `5m ago`, `just now`."""
    text = age(moment)
    return "just now" if text == "now" else f"{text} ago"


def aware(moment: datetime) -> datetime:
    """Convert a time to UTC; one without a zone is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def clock(moment: datetime | None) -> str:
    """Format a time as local date and time, to the second."""
    return ABSENT if moment is None else aware(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def metric(number: Number | None) -> str:
    """Format a fraction with the decimals of its source, at most four: `0.5849`, `0.478`; `–` when missing."""
    if number is None:
        return ABSENT
    return number.text if number.value is None else f"{number.value:.{_decimals(number)}f}"


def points(value: Number | None, reference: Number | None) -> str:
    """Format the difference of two fractions in percentage points: `+0.20`, `−1.90`; empty if one is no number.

    It has the digits of the coarser number: `−0.9` where a log printed three.
    """
    if value is None or reference is None or value.value is None or reference.value is None:
        return ""
    return signed((value.value - reference.value) * 100, min(_decimals(value), _decimals(reference)) - 2)


def signed(value: float, digits: int = 2) -> str:
    """Format a number with its sign, `+0.20` or `−1.90`; zero after rounding has none."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def _decimals(number: Number) -> int:
    """Return 3 or 4: logs print three significant digits without trailing zeros; events and results have all digits."""
    return 4 if len(number.text.partition(".")[2]) > 3 or number.value != _parsed(number.text) else 3


def _parsed(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def size(size_bytes: float | None) -> str:
    """Format a size: `512 B`, `1.32 MB`, `75.6 MB`, `312 MB`, `9.80 GB`: three digits, powers of ten."""
    if size_bytes is None:
        return ABSENT
    if size_bytes < 999.5:
        return f"{size_bytes:.0f} B"
    value = size_bytes / 1e3
    units = ["kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1e3
        del units[0]
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {units[0]}"


def megabytes(size_bytes: int | None) -> str:
    """Format a size for a column headed `MB`, in millions of bytes as in YOLOv7: `1.32`; `–` when unknown."""
    return ABSENT if size_bytes is None else f"{size_bytes / 1e6:.2f}"
