"""Durations as a user writes them: `90s`, `45m`, `12h`, `1d12h`."""

import re

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def parse_duration(text: str) -> float:
    """Return the seconds of `1d12h`, `1h30m`, `90s`.

    Raises:
        ValueError: the text is not a duration, or a duration of 0; the message names the valid form.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    parts = zip(match.groups(), _SECONDS.values(), strict=True) if match else ()
    seconds = sum(float(number) * unit for number, unit in parts if number)
    if not seconds:
        raise ValueError(f"{text!r} is not a duration; write it like 12h, 90m or 1d12h")
    return seconds
