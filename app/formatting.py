"""Times and sizes as people read them."""

import re
from datetime import UTC, datetime

ABSENT = "–"
"""Where there is nothing to show."""
_ENDS = re.compile(r"complete|stopped early|interrupted|crashed|out of memory|cut off")
_LOST = re.compile(r", (?:all )?(losses nan)(?: since epoch \d+)?$")


def ending(reason: str) -> str:
    """How a log ended in short, of the same in full: `complete`, `cut off`, `losses nan`; empty where nothing tells."""
    if lost := _LOST.search(reason):
        return lost[1]
    found = _ENDS.match(reason)
    return found[0] if found else ""


def duration(seconds: float | None) -> str:
    """`0.4 s`, `48 s`, `4 m 12 s`, `3 h 05 m`, `2 d 04 h`; `–` when unknown."""
    if seconds is None:
        return ABSENT
    if 0 <= seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = max(round(seconds), 0)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02d} h"
    if hours:
        return f"{hours} h {minute:02d} m"
    return f"{minutes} m {second:02d} s" if minutes else f"{second} s"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in one unit: `12s`, `5m`, `3h`, `2d`; a moment that is still to come by the clock counts as now."""
    if moment is None:
        return ABSENT
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = max(((now or datetime.now(UTC)) - moment).total_seconds(), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


def megabytes(size_bytes: int | None) -> str:
    """`1.32`, in millions of bytes as YOLOv7 counts them; `–` when unknown."""
    return ABSENT if size_bytes is None else f"{size_bytes / 1e6:.2f}"


def memory(size_bytes: float) -> str:
    """`9.8 GB`, `312 MB`, in powers of ten as drivers and disks count."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 0.95e9 else f"{size_bytes / 1e6:.0f} MB"
