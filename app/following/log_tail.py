"""Read the end of a console log of any size."""

import os
from pathlib import Path
from typing import BinaryIO

from app.following.log_text import last_frame
from app.workspace.run_names import find_id
from engine.console.escapes import without_escapes
from engine.contracts.run_folder import AttemptFolder, Workspace
from engine.files.safe_open import open_regular

_BLOCK = 256 << 10
_GLANCE_BYTES = 4096
_MOST_BYTES = 16 << 20
"""Read at most this much for any number of lines: redraws can make a single line this long."""


def log_tail(workspace: Workspace, reference: str, lines: int = 200, attempt: int | None = None) -> list[str]:
    """Return the last lines of a run's log with terminal control sequences removed; redraws collapse to the last one.

    Args:
        reference: name, id or a prefix of the id.
        attempt: the newest one when None.

    Raises:
        YoloqatError: there is no such run.
    """
    folder = find_attempt(workspace, reference, attempt)
    return [] if folder is None else tail(folder.console, lines)


def find_attempt(workspace: Workspace, reference: str, number: int | None = None) -> AttemptFolder | None:
    """Return an attempt of a run, by default the newest; None when there is none.

    Raises:
        YoloqatError: there is no such run.
    """
    folder = workspace.run(find_id(workspace, reference))
    attempts = [attempt for attempt in folder.attempts() if number in (None, attempt.number)]
    return attempts[-1] if attempts else None


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a log; none when the file is missing."""
    data, _ = tail_bytes(path, lines)
    log_lines = data.decode("utf-8", errors="replace").split("\n")
    if log_lines[-1] == "":
        log_lines.pop()
    return [without_escapes(last_frame(line)).rstrip() for line in log_lines]


def last_lines(attempt: AttemptFolder | None, lines: int = 5) -> tuple[str, ...]:
    """Return the last non-empty lines, from the last few kilobytes only: a list of runs asks it of a thousand."""
    if attempt is None:
        return ()
    try:
        with open_regular(attempt.console) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _GLANCE_BYTES, 0))
            data = file.read(_GLANCE_BYTES)
    except OSError:
        return ()
    log_lines = data.decode("utf-8", errors="replace").split("\n")
    if size > _GLANCE_BYTES and len(log_lines) > 1:
        del log_lines[0]  # may be cut off at its start
    cleaned = (without_escapes(last_frame(line)).strip() for line in log_lines)
    return tuple([line for line in cleaned if line][-lines:])


def tail_bytes(path: Path, lines: int) -> tuple[bytes, int]:
    """Return the last lines unchanged, and the offset of their end. Reads only this part of the file."""
    try:
        with open_regular(path) as file:
            end = file.seek(0, os.SEEK_END)
            return (_read_back(file, end, lines) if lines > 0 else b""), end
    except OSError:
        return b"", 0


def _read_back(file: BinaryIO, end: int, lines: int) -> bytes:
    blocks: list[bytes] = []
    position, breaks, size = end, 0, 0
    # A line feed at the very end terminates the last line and starts no new one.
    while position > 0 and breaks <= lines and size < _MOST_BYTES:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        block = file.read(step)
        breaks += block.count(b"\n")
        size += len(block)
        blocks.append(block)
    data = b"".join(reversed(blocks))
    newline_count = lines + data.endswith(b"\n")
    start = len(data)
    for _ in range(newline_count):
        start = data.rfind(b"\n", 0, start)
        if start < 0:
            return data
    return data[start + 1 :]
