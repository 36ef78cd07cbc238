"""A stream to a terminal that lets no escape sequence through but those that this program writes itself."""

import re
from collections.abc import Iterable
from typing import Any, TextIO

from engine.console.escapes import without_escapes

_OWN = re.compile(r"(\x1b\[(?:K|0m|[1-9]m|3[0-7]m|9[0-7]m))")
"""Colours, and clearing a line that is drawn over."""


class CleanStream:
    """Write to a text stream without what commands a terminal, whoever made the text: a name, a path, an error."""

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream
        """The stream itself, for a library that draws and cleans its texts."""

    def write(self, text: str) -> int:
        """Write a text; return its length as it was given."""
        if not text.isprintable():
            self.unfiltered.write(self._clean(text))
        else:
            self.unfiltered.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def _clean(self, text: str) -> str:
        if "\x1b" not in text or not self.unfiltered.isatty():
            return without_escapes(text, keep_line_ends=True)
        parts = _OWN.split(text)  # every second one is a sequence of ours
        return "".join(part if n % 2 else without_escapes(part, keep_line_ends=True) for n, part in enumerate(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)
