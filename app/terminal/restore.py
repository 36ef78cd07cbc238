"""Restore the terminal however the screen ends: by a signal, a lost terminal or a hanging event loop."""

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from types import FrameType

Attributes = list[int | list[bytes | int]]
"""What `termios.tcgetattr` returns."""

ENDING_SIGNALS = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGABRT,
)
"""Signals whose default ends a process at once, which would leave the terminal in the alternate screen. SIGINT is a key
press to Textual, and SIGKILL cannot be handled."""
EXIT_SECONDS = 5.0
"""How long the event loop may take to end after a signal before the terminal is reset without it."""
_RESET = (
    "\x1b[?2026l"  # synchronised output off
    "\x1b[<u"  # Kitty's key protocol off
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse tracking off
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # reports of focus, bracketed paste and size off
    "\x1b[?7h\x1b[?25h"  # line wrap and cursor on
    "\x1b[?1049l"  # the normal screen
)


class TerminalGuard:
    """Ends the screen on a signal or the loss of its terminal, and resets the terminal if the screen does not."""

    def __init__(self, leave: Callable[[int], None]) -> None:
        """`leave` makes the event loop end the screen with an exit code. A signal handler calls it, so it must only
        schedule the work."""
        self._leave = leave
        self._terminal_attributes = _read_attributes()
        self._previous_handlers: dict[signal.Signals, object] = {}
        self._deadline: threading.Timer | None = None

    def __enter__(self) -> "TerminalGuard":
        for number in ENDING_SIGNALS:
            self._previous_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def end(self, exit_code: int) -> None:
        """End the screen; after `EXIT_SECONDS` reset the terminal and exit by force.

        Textual's writer blocks for ever once its terminal is lost, and a busy event loop ignores requests.
        """
        if self._deadline is None:
            self._deadline = threading.Timer(EXIT_SECONDS, self._force_exit, (exit_code,))
            self._deadline.daemon = True
            self._deadline.start()
        self._leave(exit_code)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.end(128 + number)

    def _force_exit(self, exit_code: int) -> None:
        with contextlib.suppress(OSError):
            os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, _RESET.encode())
        if self._terminal_attributes is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSANOW, self._terminal_attributes)
        os._exit(exit_code)


def has_hung_up() -> bool:
    """Whether the terminal on stdin is lost: its window was closed or its SSH connection broke, without a signal."""
    poll = select.poll()
    try:
        poll.register(0, 0)
        return any(flags & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, flags in poll.poll(0))
    except OSError:
        return True


def _read_attributes() -> Attributes | None:
    try:
        return termios.tcgetattr(0)
    except (termios.error, OSError):
        return None
