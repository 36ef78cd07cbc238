"""Our own `::yoloqat {…}` lines."""

from engine.contracts.events import PREFIX, parse
from engine.contracts.facts import StageEvent


def read(line: str) -> StageEvent | None:
    """The event of a line, None when there is none that can be read."""
    start = line.find(PREFIX)
    if start < 0:
        return None
    event = parse(line[start:])
    if event is None:
        return None
    return StageEvent(event["event"], {key: value for key, value in event.items() if key != "event"})
