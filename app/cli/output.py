"""Plain text on stdout and stderr: tables that fit the terminal, colours only on a terminal."""

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from app.formatting import duration
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState

if TYPE_CHECKING:
    from app.indexing.freshness import Lag

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COMMANDING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""C1 controls and what turns the direction of writing: `json` leaves them as they are, and a terminal obeys them."""
_COLOURS = {
    RunState.RUNNING: "36",
    RunState.STARTING: "36",
    RunState.SUCCEEDED: "32",
    RunState.FAILED: "31",
    RunState.KILLED: "31",
    RunState.OUT_OF_MEMORY: "31",
    RunState.COULD_NOT_START: "31",
    RunState.DEPENDENCY_FAILED: "31",
    RunState.LOST: "31",
}
_ALARM = "31"


def say(text: str) -> None:
    """Print a message on stderr, apart from the command's result on stdout."""
    print(text, file=sys.stderr, flush=True)


def ask(question: str) -> bool | None:
    """Ask a yes-or-no question on the terminal; None where nobody is there to answer. Anything but `y` is no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def say_workspace(workspace: Workspace) -> None:
    """Print which workspace a command uses and where that was set, and whether its disk is full."""
    from db.space import is_full

    say(f"workspace: {workspace.path} ({workspace.origin})")
    if workspace.index_folder != workspace.path:
        say(f"it is another user's or cannot be written: runs can be read; the index lies in {workspace.index_folder}")
    if is_full(workspace.index_folder):
        say("the disk is full: states are current, but logs are indexed only after space is freed")


def say_lag(lag: "Lag | None") -> None:
    """Warn that the printed values are not the latest, because the indexer needs more time."""
    if lag is not None:
        subject = "1 run is" if lag.runs == 1 else f"{lag.runs} runs are"
        say(f"index is {duration(lag.seconds)} behind: {subject} not read yet")


def print_json(value: Any) -> None:
    """Print one JSON document. Dataclasses become objects; nan and inf, which JSON lacks, become null."""
    text = json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False)
    print(_COMMANDING.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def plain(value: Any) -> Any:
    """Convert to dicts, lists, strings, numbers, booleans and None: enums by value, times in ISO format."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    return value


def printable(text: str) -> str:
    """Remove terminal control characters."""
    return _CONTROL.sub("", text)


def table_width(rows: Sequence[Sequence[str]]) -> int:
    """Return the width in cells of a table with these rows, headers included, without any cut."""
    widths = _column_widths(rows)
    return sum(widths) + 2 * (len(widths) - 1)


def _column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), flexible: Sequence[int] = (0,)
) -> str:
    """Format a table that fits the terminal (80 columns where there is none).

    Args:
        right: indices of the right-aligned columns.
        flexible: indices of the columns that are cut when the table is too wide, the widest first.
    """
    cells = [[_CONTROL.sub("", cell) for cell in row] for row in (headers, *rows)]
    widths = _column_widths(cells)
    for _ in range(max(table_width(cells) - columns(), 0)):
        widest = max(flexible, key=widths.__getitem__)
        widths[widest] = max(widths[widest] - 1, min(4, widths[widest]))
    lines = []
    for row in cells:
        parts = [fit(cell, widths[i], i in right) for i, cell in enumerate(row)]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def fit(text: str, cells: int, right: bool = False) -> str:
    """Pad or cut a text to a number of cells. The cut is in the middle, because names often differ at their ends."""
    excess = width(text) - cells
    if excess > 0:
        room = max(cells - 1, 0)
        text = text[: room - room // 2] + "…" + (text[-(room // 2) :] if room // 2 else "")
    padding = " " * (cells - width(text))
    return padding + text if right else text + padding


def width(text: str) -> int:
    """Return how many cells a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def columns() -> int:
    """Return the width of the terminal; 80 in a pipe."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 80


def coloured(text: str, state: RunState, alarm: str = "") -> str:
    """Colour the name of the state in a line, and an alarm in red, where stdout is a terminal that wants colours."""
    colour = _COLOURS.get(state)
    is_plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if is_plain or not (colour or alarm):
        return text
    if alarm:
        text = text.replace(alarm, f"\x1b[{_ALARM}m{alarm}\x1b[0m", 1)
    return text.replace(state.value, f"\x1b[{colour}m{state.value}\x1b[0m", 1) if colour else text
