"""Following one run on the terminal until it ends. Ctrl-C leaves it alone."""

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
from engine.supervise.state import RunStatus

_LOOK_SECONDS = 0.1
_STATE_SECONDS = 0.5
_BYTES = 1 << 20
_LINES = 20
_CLEAR_TO_END = "\x1b[K"


def follow_run(workspace: Workspace, run_id: str, name: str, *, offset: int = 0) -> int:
    """Print a run's console as it grows, until the run ends.

    Args:
        offset: where in the log to begin.

    Returns:
        The exit code that the run's end stands for; 130 when Ctrl-C ended the following.
    """
    try:
        status = _follow(workspace, run_id, offset)
    except KeyboardInterrupt:
        say_detached(name)
        return 130
    say(ending(name, status))
    return exit_code(status)


def follow_watched(workspace: Workspace, run_id: str, name: str) -> int:
    """Print the log of a process that was not started here, until it ends.

    Returns:
        0 at its end, for its exit code cannot be known; 130 when Ctrl-C ended the following.
    """
    folder = workspace.run(run_id)
    printer = Printer()
    number, offset = 0, 0
    try:
        while True:
            status = run_status(workspace, run_id)
            for attempt in folder.attempts()[max(number - 1, 0) :]:
                if attempt.number > number:
                    number, offset = attempt.number, _near_the_end(attempt.console) if not number else 0
                    note = WatchRecord.read(attempt.watch)
                    if note is not None and note.note and number > 1:
                        say(f"{note.note}: it is read again from its beginning")
                offset = _copy(attempt.console, offset, printer)
            if not status.state.is_live:
                printer.end()
                break
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        say(f"\n{name} is followed all the same; `yoloqat log -f {name}` shows its log again")
        return 130
    say(ending(name, status))
    return 0


def _near_the_end(console: Path) -> int:
    """Where to begin to print a log that may be long: with its last lines."""
    data, end = tail_bytes(console, _LINES)
    return end - len(data)


def say_detached(name: str) -> None:
    """The one line after Ctrl-C."""
    say(f"\ndetached: {name} goes on; `yoloqat log -f {name}` follows it, `yoloqat stop {name}` stops it")


def ending(name: str, status: RunStatus) -> str:
    """How a run ended, in one line."""
    reason = f" ({status.reason})" if status.reason else ""
    took = f" in {duration(status.seconds)}" if status.seconds is not None else ""
    return f"{name}: {status.state.value}{reason}{took}"


def exit_code(status: RunStatus) -> int:
    """The stage's own exit code, 128 + signal as shells have it, else 1; 0 for a success alone."""
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
    looked = 0.0
    status = run_status(workspace, run_id)
    while True:
        offset = _copy(attempt.console, offset, printer)
        if time.monotonic() - looked >= _STATE_SECONDS:
            status, looked = run_status(workspace, run_id), time.monotonic()
            if status.state is RunState.QUEUED and status.reason != last_reason:
                last_reason = status.reason
                say(f"{last_reason} …")
        if status.attempt != attempt.number or not status.state.is_live:
            _copy(attempt.console, offset, printer)
            printer.end()
            if status.attempt == attempt.number:
                return status
            attempt, offset = folder.attempt(status.attempt), 0  # it is retried
        time.sleep(_LOOK_SECONDS)


def _copy(path: Path, offset: int, printer: "Printer") -> int:
    """Print what was added since an offset, and return the new one."""
    try:
        with open_regular(path) as file:
            file.seek(offset)
            while data := file.read(_BYTES):
                offset += len(data)
                printer.feed(data)
    except FileNotFoundError:
        return offset
    return offset


class Printer:
    """Prints a log as text that commands nothing.

    In a terminal a line that is redrawn is shown in one line, cut at the edge; in a pipe a line comes once, when it is
    whole, as its last redraw. The `::yoloqat` lines of our stages are left out.
    """

    def __init__(self) -> None:
        self._text = LogText()
        self._line = ""
        self._live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def feed(self, data: bytes) -> None:
        """Print more of the log."""
        self._print(self._text.feed(data))

    def end(self) -> None:
        """Print what is left of an unfinished last line."""
        self._print(self._text.end())
        if last_frame(self._line):
            self._print("\n")

    def _print(self, text: str) -> None:
        if not text:
            return
        *whole, self._line = (self._line + text).split("\n")
        before = f"\r{_CLEAR_TO_END}" if self._live else ""
        for line in whole:
            # Our stages' events are for the database; what they tell stands in words beside them.
            if not line.startswith(PREFIX):
                sys.stdout.write(f"{before}{last_frame(line).rstrip()}\n")
        # Only the last redraw is of use, and a long-running bar must not be kept whole.
        self._line = self._line[self._line.rfind("\r", 0, len(self._line.rstrip("\r"))) + 1 :]
        if self._live and self._line and not self._line.startswith(PREFIX):
            sys.stdout.write(before + _in_one_line(last_frame(self._line)))
        sys.stdout.flush()


def _in_one_line(frame: str) -> str:
    """A redraw that the terminal doesn't break, for a broken one could not be drawn over."""
    room = columns() - 1
    return frame if len(frame) <= room else " ".join(frame.split())[:room]
