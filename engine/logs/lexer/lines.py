"""Bytes of a log → logical lines: what a terminal would still show of each line."""

from itertools import islice
from typing import Any

MOST_BYTES = 1 << 20
"""Of one frame; what is longer is cut there, so that memory is bounded however long a line is."""


class LineSplitter:
    """Splits a growing log at line feeds, and keeps of each line the last redraw that isn't blank.

    A redraw is what follows a carriage return. The result does not depend on where the input is cut.
    """

    def __init__(self) -> None:
        self._shown = b""
        self._frame = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that the chunk completes, blank ones left out, without white space at their end."""
        if b"\n" not in chunk:
            self._extend(chunk)
            return []
        parts = chunk.split(b"\n")
        rest = parts.pop()
        self._extend(parts[0])
        lines = [self._take()]
        lines += map(last_frame, islice(parts, 1, None))
        self._extend(rest)
        return [line for line in lines if line]

    def finish(self) -> list[bytes]:
        """The line without a line feed that the log ends with, if there is one."""
        line = self._take()
        return [line] if line else []

    def current(self) -> list[bytes]:
        """Frames of the line that isn't finished, newest first: one that may be half written, and the one before."""
        return [frame for frame in (bytes(self._frame), self._shown) if frame.strip()]

    def state(self) -> dict[str, Any]:
        """Plain data from which `restore` goes on."""
        return {"shown": self._shown.decode("latin-1"), "frame": self._frame.decode("latin-1")}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "LineSplitter":
        splitter = cls()
        splitter._shown = state["shown"].encode("latin-1")
        splitter._frame = bytearray(state["frame"].encode("latin-1"))
        return splitter

    def _extend(self, part: bytes) -> None:
        if b"\r" in part:
            first, _, part = part.partition(b"\r")
            self._append(first)
            self._close_frame()
            redraws, carriage_return, part = part.rpartition(b"\r")
            if carriage_return:
                self._shown = last_frame(redraws) or self._shown
        self._append(part)

    def _append(self, part: bytes) -> None:
        self._frame += part[: MOST_BYTES - len(self._frame)]

    def _close_frame(self) -> None:
        self._shown = bytes(self._frame).rstrip() or self._shown
        self._frame.clear()

    def _take(self) -> bytes:
        self._close_frame()
        line, self._shown = self._shown, b""
        return line


def last_frame(line: bytes) -> bytes:
    """The last frame of a line that isn't blank, without white space at its end; empty when all are."""
    line = line.rstrip()
    end = len(line)
    while True:
        start = line.rfind(b"\r", 0, end) + 1
        frame = line[start : min(end, start + MOST_BYTES)].rstrip()
        if frame or not start:
            return frame
        end = start - 1
