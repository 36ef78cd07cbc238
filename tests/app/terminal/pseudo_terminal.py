"""The real program on a pseudo-terminal."""

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

    def settle(self, quiet: float = 1.0) -> None:
        """Wait until nothing has been written for so many seconds."""
        deadline = time.monotonic() + START_SECONDS
        count, since = len(self.output), time.monotonic()
        while time.monotonic() - since < quiet:
            assert time.monotonic() < deadline, "it goes on writing"
            self.read(0.05)
            if len(self.output) != count:
                count, since = len(self.output), time.monotonic()

    def written(self, seconds: float, keys: bytes = b"") -> int:
        """Press keys, and count the bytes that are written within so many seconds."""
        before, deadline = len(self.output), time.monotonic() + seconds
        if keys:
            os.write(self.master, keys)
        while (left := deadline - time.monotonic()) > 0:
            self.read(left)
        return len(self.output) - before

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


@contextlib.contextmanager
def started(workspace: Path, columns: int = 80, rows: int = 24) -> Iterator[Terminal]:
    """The screen of a workspace, shown. SIGHUP is blocked, so that closing the terminal sends no signal."""
    pid, master = pty.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", PYTHONPATH=str(REPOSITORY))
        os.execv(sys.executable, [sys.executable, "-P", "-m", "app.tui", "--workspace", str(workspace)])
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
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
