"""Follow one run on the terminal until it ends. Ctrl-C ends the following, not the run."""

import os
import sys
import time
from pathlib import Path

from app.cli.output import columns, say
from app.following.log_tail import tail_bytes
from app.following.log_text import LogText, last_frame
from app.formatting import duration
from app.launching.stop import run_status
from engine.contracts.events import PREFIX
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from engine.contracts.watching import WatchRecord
from engine.files.safe_open import open_regular
from engine.supervise.state.status import RunStatus

_POLL_SECONDS = 0.1
_STATUS_SECONDS = 0.5
_CHUNK_BYTES = 1 << 20
_TAIL_LINES = 20
_CLEAR_TO_END = "\x1b[K"


def follow_run(workspace: Workspace, run_id: str, name: str, *, offset: int = 0) -> int:
    """Print a run's log as it grows, until the run ends.

    Args:
        offset: the byte of the log to start at.

    Returns:
        The exit code of `exit_code`; 130 after Ctrl-C.
    """
    try:
        status = _follow(workspace, run_id, offset)
    except KeyboardInterrupt:
        say_detached(name)
        return 130
    say(outcome_line(name, status))
    return exit_code(status)


def follow_watched(workspace: Workspace, run_id: str, name: str) -> int:
    """Print the log of a watched run until the run ends.

    Returns:
        0 at its end, because the exit code of a foreign process is unknown; 130 after Ctrl-C.
    """
    folder = workspace.run(run_id)
    printer = Printer()
    number, offset = 0, 0
    try:
        while True:
            status = run_status(workspace, run_id)
            for attempt in folder.attempts()[max(number - 1, 0) :]:
                if attempt.number > number:
                    number, offset = attempt.number, _tail_offset(attempt.console) if not number else 0
                    record = WatchRecord.read(attempt.watch)
                    if record is not None and record.note and number > 1:
                        say(f"{record.note}: reading it again from its start")
                offset = _print_appended(attempt.console, offset, printer)
            if not status.state.is_live:
                printer.end()
                break
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        say(f"\n{name} is still watched; `yoloqat log -f {name}` shows its log again")
        return 130
    say(outcome_line(name, status))
    return 0


def _tail_offset(console: Path) -> int:
    """Return the offset of the last lines, so that a long log is not printed whole."""
    data, end = tail_bytes(console, _TAIL_LINES)
    return end - len(data)


def say_detached(name: str) -> None:
    """Print that the run keeps running after Ctrl-C, and the commands to follow and stop it."""
    say(f"\ndetached: {name} keeps running; `yoloqat log -f {name}` follows it, `yoloqat stop {name}` stops it")


def outcome_line(name: str, status: RunStatus) -> str:
    """Return state, reason and duration of a run in one line."""
    reason = f" ({status.reason})" if status.reason else ""
    elapsed = f" in {duration(status.seconds)}" if status.seconds is not None else ""
    return f"{name}: {status.state.value}{reason}{elapsed}"


def exit_code(status: RunStatus) -> int:
    """Return 0 for success only, else 128 + signal, else the stage's own exit code, else 130 if stopped, else 1."""
    if status.state is RunState.SUCCEEDED:
        return 0
    if status.signal:
        return 128 + status.signal
    return status.exit_code or (130 if status.state is RunState.STOPPED else 1)


def _follow(workspace: Workspace, run_id: str, offset: int) -> RunStatus:
    folder = workspace.run(run_id)
    attempt = folder.attempts()[-1]
    printer = Printer()
    last_reason = ""
    checked_at = 0.0
    status = run_status(workspace, run_id)
    while True:
        offset = _print_appended(attempt.console, offset, printer)
        if time.monotonic() - checked_at >= _STATUS_SECONDS:
            status, checked_at = run_status(workspace, run_id), time.monotonic()
            if status.state is RunState.QUEUED and status.reason != last_reason:
                last_reason = status.reason
                say(f"{last_reason} …")
        if status.attempt != attempt.number or not status.state.is_live:
            _print_appended(attempt.console, offset, printer)
            printer.end()
            if status.attempt == attempt.number:
                return status
            attempt, offset = folder.attempt(status.attempt), 0  # it is retried
        time.sleep(_POLL_SECONDS)


def _print_appended(path: Path, offset: int, printer: "Printer") -> int:
    """Print what was appended since an offset, and return the new offset."""
    try:
        with open_regular(path) as file:
            file.seek(offset)
            while data := file.read(_CHUNK_BYTES):
                offset += len(data)
                printer.feed(data)
    except FileNotFoundError:
        return offset
    return offset


class Printer:
    """Prints a log without its terminal control sequences.

    On a terminal a progress bar is redrawn in one line, cut at the edge; in a pipe each line is printed once, complete,
    as its last redraw. The `::yoloqat` event lines of our stages are skipped.
    """

    def __init__(self) -> None:
        self._text = LogText()
        self._line = ""
        self._is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def feed(self, data: bytes) -> None:
        """Print more of the log."""
        self._print(self._text.feed(data))

    def end(self) -> None:
        """Print the rest of an unfinished last line."""
        self._print(self._text.end())
        if last_frame(self._line):
            self._print("\n")

    def _print(self, text: str) -> None:
        if not text:
            return
        *lines, self._line = (self._line + text).split("\n")
        redraw = f"\r{_CLEAR_TO_END}" if self._is_terminal else ""
        for line in lines:
            # Event lines are for the indexer; stages print the same as text, too.
            if not line.startswith(PREFIX):
                sys.stdout.write(f"{redraw}{last_frame(line).rstrip()}\n")
        # Keep the last redraw only: a progress bar may redraw one line for hours.
        self._line = self._line[self._line.rfind("\r", 0, len(self._line.rstrip("\r"))) + 1 :]
        if self._is_terminal and self._line and not self._line.startswith(PREFIX):
            sys.stdout.write(redraw + _in_one_line(last_frame(self._line)))
        sys.stdout.flush()


def _in_one_line(frame: str) -> str:
    """Cut a redraw to the terminal's width: a wrapped one could not be overwritten."""
    room = columns() - 1
    return frame if len(frame) <= room else " ".join(frame.split())[:room]
