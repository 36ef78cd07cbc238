"""`::yoloqat {"event": …}`: a log line for what YOLOv7's lines cannot express."""

import json
import sys
from typing import Any

PREFIX = "::yoloqat "


def emit(event: str, **fields: Any) -> None:
    """Print one event to stdout as a single line. `fields` must be JSON values; nan and inf are allowed."""
    line = PREFIX + json.dumps({"event": event, **fields}, ensure_ascii=False, separators=(", ", ": "))
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def parse(line: str) -> dict[str, Any] | None:
    """Return the event of a log line, or None when the line is not an event. Never raises."""
    if not line.startswith(PREFIX):
        return None
    try:
        event = json.loads(line[len(PREFIX) :])
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
