"""Numbers and times as text for narrow columns."""

from datetime import UTC, datetime

from app.widgets.base.glyphs import glyphs
from db.views import Number

MINUTE, HOUR, DAY = 60, 3600, 86400


def duration(seconds: float | None) -> str:
    """`45s`, `3m 05s`, `1h 12m`, `2d 03h`; a dash for None. Never negative."""
    if seconds is None or seconds != seconds:
        return glyphs().dash
    whole = max(0, round(min(seconds, 1e9)))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02d}s"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02d}m"
    return f"{whole // DAY}d {whole % DAY // HOUR:02d}h"


def eta(seconds: float | None) -> str:
    """A time to go. Past ten minutes the seconds are left out: they would only flicker."""
    if seconds is not None and 10 * MINUTE <= seconds < HOUR:
        return f"{round(seconds / MINUTE)}m"
    return duration(seconds)


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in one unit: `now`, `5m`, `2h`, `3d`, `8w`, `2y`. The future (a wrong clock) is `now`."""
    if moment is None:
        return glyphs().dash
    seconds = (now - aware(moment)).total_seconds()
    for size, sign in ((365 * DAY, "y"), (14 * DAY, "w"), (DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= size:
            unit = 7 * DAY if sign == "w" else size
            return f"{int(seconds // unit)}{sign}"
    return "now"


def aware(moment: datetime) -> datetime:
    """The moment in UTC; one without a zone is UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def clock(moment: datetime | None) -> str:
    """Local date and time, to the second."""
    return glyphs().dash if moment is None else aware(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def number(value: Number | None, digits: int = 4) -> str:
    """A measured fraction: the printed digits where the log has them, `digits` decimals where it has more."""
    if value is None:
        return glyphs().dash
    if value.value is None or len(value.text) <= digits + 2:
        return value.text
    return f"{value.value:.{digits}f}"


def points(fraction: float | None) -> str:
    """A difference of two fractions in percentage points: `+0.20`, `−1.90`, `±0.00`."""
    if fraction is None:
        return ""
    value = fraction * 100
    if abs(value) < 0.005:
        return "0.00" if glyphs().is_ascii else "±0.00"
    return f"{'+' if value > 0 else glyphs().minus}{abs(value):.2f}"


def size(byte_count: int) -> str:
    """`512 B`, `75.6 MB`: decimal units, as file managers and the log count."""
    value = float(byte_count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
