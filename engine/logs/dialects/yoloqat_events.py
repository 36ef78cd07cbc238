"""Our own `::yoloqat {…}` lines."""

from typing import Any

from engine.contracts.events import PREFIX, parse
from engine.contracts.facts import StageEvent

WORDS = (PREFIX,)
"""One of them stands in each line of this kind."""
_DEEPEST = 20
_LARGEST = 1 << 63


def read(line: str) -> StageEvent | None:
    """The event of a line, None when there is none that can be read and stored."""
    start = line.find(PREFIX)
    if start < 0:
        return None
    event = parse(line[start:])
    if event is None or not _can_be_stored(event):
        return None
    return StageEvent(event["event"], {key: value for key, value in event.items() if key != "event"})


def _can_be_stored(value: Any, depth: int = 0) -> bool:
    """False for what JSON can say and a database cannot hold: halves of letters, integers of more than 64 bits."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, int):
        return -_LARGEST <= value < _LARGEST
    if isinstance(value, dict | list):
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return depth < _DEEPEST and all(_can_be_stored(part, depth + 1) for part in parts)
    return True
