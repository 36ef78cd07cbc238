"""Text of a log line, and the numbers in it."""

import re

from engine.console.escapes import without_escapes

NUMBER = r"(?:[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?nan|[-+]?inf)"
"""What `%g` prints."""
COUNT = r"(\d{1,15})"
"""A whole number, as a group. Python refuses to read numbers of thousands of digits."""
DECIMAL = r"\d{1,15}(?:\.\d{1,15})?"
MOST_CHARACTERS = 8192
"""Of a line that is searched for anything but an event: no trainer prints more, and searching stays cheap."""

_PREFIX = re.compile(
    r"\[(?:rank ?|default)?\d+\]: ?| {0,4}\d{1,5}:(?: |$)|\d{13} \S{1,100} (?:debug|info|warning|error)(?: |$)"
)

_PREFIX_BEGINNINGS = frozenset("[ 0123456789")
_SRUN_CHARACTERS = 10
"""At most: its label with the colon."""


def decode(line: bytes) -> str:
    """The line as text: no escape sequences, no control characters but the tab."""
    text = line.decode("utf-8", errors="replace")
    return text if text.isprintable() else without_escapes(text)


def without_prefix(text: str) -> str:
    """The line without what a launcher put before it.

    torchrun puts `[rank0]: `, srun `0: ` (` 0: ` where there are ten tasks), and ClearML `<ms> <host> info `.
    """
    first = text[:1]
    if first not in _PREFIX_BEGINNINGS or (first == " " and ":" not in text[:_SRUN_CHARACTERS]):
        return text
    match = _PREFIX.match(text)
    return text[match.end() :] if match else text
