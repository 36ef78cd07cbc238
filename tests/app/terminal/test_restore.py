"""The real screen in a pseudo-terminal: however it ends, the terminal is as it was before."""

import os
import pty
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.terminal.pseudo_terminal import ALTERNATE_ON, END_SECONDS, Terminal, started
from tests.conftest import REPOSITORY


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The screen on an empty workspace."""
    with started(tmp_path) as terminal:
        yield terminal


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
    terminal.wait_for(b"Help")  # the whole screen is written again
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
