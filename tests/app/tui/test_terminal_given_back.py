"""The real screen in a pseudo-terminal: however it ends, the terminal is as it was before."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

START_SECONDS = 60.0
END_SECONDS = 30.0
ALTERNATE_ON, ALTERNATE_OFF = b"\x1b[?1049h", b"\x1b[?1049l"
MOUSE_ON, MOUSE_OFF = b"\x1b[?1000h", b"\x1b[?1000l"


@dataclass
class Terminal:
    """yoloqat-tui on a terminal of its own, and what it has written there."""

    pid: int
    master: int
    output: bytearray = field(default_factory=bytearray)

    def read(self, seconds: float) -> bool:
        """Take in what comes within so many seconds; False once nobody writes any more."""
        try:
            if not select.select([self.master], [], [], seconds)[0]:
                return True
            chunk = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.output += chunk
        return bool(chunk)

    def wait_for(self, text: bytes) -> None:
        """Wait until it has written this."""
        deadline = time.monotonic() + START_SECONDS
        while text not in self.output:
            assert time.monotonic() < deadline, bytes(self.output[-2000:])
            assert self.read(0.1), bytes(self.output[-2000:])

    def end(self) -> int:
        """Wait for its end; the exit code, or minus the signal that ended it."""
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            if not self.read(0.05):
                time.sleep(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                while self.read(0.2):
                    pass
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("the screen did not end")

    def is_given_back(self) -> bool:
        """Whether the normal screen is shown, and mouse and keys are reported as usual."""
        return all(
            self.output.rfind(off) > self.output.rfind(on)
            for on, off in ((ALTERNATE_ON, ALTERNATE_OFF), (MOUSE_ON, MOUSE_OFF))
        )


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The screen on an empty workspace, shown. SIGHUP is blocked, so that closing the terminal sends no signal."""
    pid, master = pty.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        os.environ.update(TERM="xterm-256color", PYTHONPATH=str(REPOSITORY))
        os.execv(sys.executable, [sys.executable, "-P", "-m", "app.tui", "--workspace", str(tmp_path)])
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    shown = Terminal(pid, master)
    try:
        shown.wait_for(b"Help")
        yield shown
    finally:
        if shown.pid:
            os.kill(shown.pid, signal.SIGKILL)
            os.waitpid(shown.pid, 0)
        with contextlib.suppress(OSError):
            os.close(master)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGABRT])
def test_a_signal_ends_the_screen_and_gives_the_terminal_back(terminal: Terminal, number: signal.Signals) -> None:
    os.kill(terminal.pid, number)
    assert terminal.end() == 128 + number
    assert terminal.is_given_back()
    assert b"Traceback" not in terminal.output


def test_a_terminal_that_has_gone_ends_the_screen(terminal: Terminal) -> None:
    os.close(terminal.master)
    assert terminal.end() == 128 + signal.SIGHUP


def test_ctrl_z_suspends_and_the_screen_comes_back(terminal: Terminal) -> None:
    os.write(terminal.master, b"\x1a")
    deadline = time.monotonic() + END_SECONDS
    while not os.WIFSTOPPED(os.waitpid(terminal.pid, os.WNOHANG | os.WUNTRACED)[1]):
        terminal.read(0.05)
        assert time.monotonic() < deadline
    terminal.read(0.2)
    assert terminal.is_given_back()
    terminal.output.clear()
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.wait_for(ALTERNATE_ON)
    os.write(terminal.master, b"q")
    assert terminal.end() == 0
    assert terminal.is_given_back()


def test_keys_typed_ahead_of_the_end_do_not_crash_it(terminal: Terminal) -> None:
    os.write(terminal.master, b"qn")
    assert terminal.end() == 0
    assert b"Traceback" not in terminal.output


def test_a_dumb_terminal_is_refused(tmp_path: Path) -> None:
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PYTHONPATH=str(REPOSITORY))
        os.execv(sys.executable, [sys.executable, "-P", "-m", "app.tui", "--workspace", str(tmp_path)])
    refused = Terminal(pid, master)
    assert refused.end() == 2
    assert b"this terminal cannot move the cursor" in refused.output
    assert b"\x1b" not in refused.output
