"""Python tracebacks, and memory that ran out, as Python or Slurm tell it."""

import re
from typing import Any

from engine.contracts.facts import Crash, Fact, OutOfMemory

_BEGIN = "Traceback (most recent call last):"
WORDS = (_BEGIN, "emory", "alloc_cpu", "oom")
"""One of them stands in each line that means something here while no traceback is open."""
_ERROR = re.compile(r"[A-Za-z_][\w.]*(?:: .*|:)?$")
_OUT_OF_MEMORY = re.compile(
    r"(?:torch\.(?:cuda\.)?)?OutOfMemoryError: |RuntimeError: CUDA (?:error: )?out of memory|CUDA out of memory\. Tried"
    r"|RuntimeError: \[enforce fail at alloc_cpu|MemoryError\b|(?:\w+\.)*_?ArrayMemoryError: "
    r"|slurmstepd: error: Detected \d{1,9} oom.kill event|srun: error: .{1,200}: Out Of Memory$"
)
_MOST_LINES = 200
_MOST_CHARACTERS = 1000
"""Of one line."""


class TracebackReader:
    """Collects the lines of a traceback until the line that names the error."""

    def __init__(self, lines: list[str] | None = None) -> None:
        self._lines: list[str] | None = lines

    @property
    def is_open(self) -> bool:
        """Whether the line that names the error is still to come."""
        return self._lines is not None

    def read(self, text: str) -> list[Fact] | None:
        """The facts of a line; None when it belongs to no traceback and tells of no memory that ran out.

        Args:
            text: the line with its indentation.
        """
        if _BEGIN in text and text.rstrip().endswith(_BEGIN):
            self._lines = [_BEGIN]
            return []
        if self._lines is None and "emory" not in text and "alloc_cpu" not in text and "oom" not in text:
            return None
        line = text.strip()
        if self._lines is None:
            return [OutOfMemory(line[:_MOST_CHARACTERS])] if _OUT_OF_MEMORY.match(line) else None
        if text.startswith((" ", "\t", "[Previous line repeated")):
            if len(self._lines) < _MOST_LINES:
                self._lines.append(text.rstrip()[:_MOST_CHARACTERS])
            return []
        lines, self._lines = self._lines, None
        if not _ERROR.match(line):
            return None
        error = line[:_MOST_CHARACTERS]
        facts: list[Fact] = [Crash(error, "\n".join([*lines, error]))]
        return [*facts, OutOfMemory(error)] if _OUT_OF_MEMORY.match(line) else facts

    def state(self) -> Any:
        """Plain data, to be given to the constructor."""
        return self._lines
