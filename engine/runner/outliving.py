"""Work that outlives its launcher: a script that starts a training with `nohup … &`, `setsid -f` or `disown` and ends.

What such a script leaves behind is the run itself; what a crashed trainer leaves behind (loader workers that hold the
GPU for ever) is rubbish. They differ in that the former is a program of its own and works.
"""

import os
import stat
import time
from collections.abc import Callable, Sequence

from engine.runner.processes.identity import Stat

OBSERVE_SECONDS = 2.0
"""How long a process that was left behind may take to show that it works; then it is ended as a leftover."""
SETTLE_SECONDS = 0.3
"""How long a fork of the command may take to become another program: a shell may end before its `&` has."""
IDLE_SECONDS = 600.0
"""How long work may be idle before it counts as over: a validation or a slow file system is not its end."""
ACTIVE_SHARE = 0.01
"""Of a core: a process that uses this much works."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_WORKER_HELPERS = (b"multiprocessing.spawn", b"multiprocessing.forkserver", b"multiprocessing.resource_tracker")
"""In the command lines of Python's own workers, which exec but are no programs of their own."""


class OutlivingWork:
    """The programs that a command has left behind, and whether they still work."""

    def __init__(
        self,
        argv: Sequence[str],
        session: int,
        processes: Callable[[], list[Stat]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at what is left.

        Args:
            argv: the command that has ended.
            session: its session id, which is its pid.
            processes: the living processes of the run.
        """
        self._argv = [os.fsencode(argument) for argument in argv]
        self._session = session
        self._processes = processes
        self._clock = clock
        self._progress: dict[tuple[int, int], tuple[float, int, int]] = {}
        """By pid and start time: when it was last measured, its CPU ticks and the size of what it writes."""
        self._worked_at: float | None = None
        self._began = clock()
        self.names: list[str] = []
        """What was left behind, `python train.py … (pid 812)`."""
        self.is_idle = False
        """Whether it has been given up on for having been idle."""

    def goes_on(self) -> bool:
        """Return whether the run is still at work; call it every few seconds until it is not."""
        left = self._processes()
        now = self._clock()
        own = [process for process in left if self._is_own_program(process.pid)]
        if not own:
            return bool(left) and now < self._began + SETTLE_SECONDS
        for process in own:
            name = name_of(process.pid)
            if name not in self.names and len(self.names) < 5:
                self.names.append(name)
            if self._works(process, now):
                self._worked_at = now
        if self._worked_at is None:
            return now < self._began + OBSERVE_SECONDS
        self.is_idle = now >= self._worked_at + IDLE_SECONDS
        return not self.is_idle

    def has_worked(self) -> bool:
        """Return whether any of it has worked since the command ended."""
        return self._worked_at is not None

    def _is_own_program(self, pid: int) -> bool:
        """Return whether it has a session of its own or is another program than the command.

        Forked workers are neither.
        """
        command = _command_line(pid)
        if not command or any(helper in argument for argument in command for helper in _WORKER_HELPERS):
            return False
        try:
            if os.getsid(pid) != self._session:
                return True
        except OSError:
            return False
        # The kernel puts the interpreter of a script before its path.
        tail = command[-len(self._argv) :]
        is_command = [os.path.basename(tail[0]), *tail[1:]] == [os.path.basename(self._argv[0]), *self._argv[1:]]
        return not is_command

    def _works(self, process: Stat, now: float) -> bool:
        """Return whether it has used the CPU or written since the last look, or holds a GPU."""
        written = _written_bytes(process.pid)
        key = process.pid, process.start_time
        before = self._progress.get(key)
        if before is None:
            self._progress[key] = now, process.cpu_ticks, written
            return _holds_gpu(process.pid)
        since, ticks, size = before
        seconds = now - since
        has_computed = process.cpu_ticks - ticks >= max(ACTIVE_SHARE * seconds * _TICKS_PER_SECOND, 1)
        if seconds >= 1 or has_computed:
            self._progress[key] = now, process.cpu_ticks, written
        return has_computed or written > size or _holds_gpu(process.pid)


def _command_line(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(1 << 16).rstrip(b"\0").split(b"\0")
    except OSError:
        return []


def name_of(pid: int) -> str:
    """Return `python train.py (pid 812)`."""
    text = b" ".join(_command_line(pid)).decode(errors="replace")
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return f"{printable if len(printable) <= 60 else printable[:59] + '…'} (pid {pid})"


def _written_bytes(pid: int) -> int:
    """Return the size of the files that are its stdout and stderr."""
    size = 0
    for descriptor in (1, 2):
        try:
            status = os.stat(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            size += status.st_size
    return size


def _holds_gpu(pid: int) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            target = os.readlink(os.path.join(folder, descriptor))
        except OSError:
            continue
        if target.startswith("/dev/nvidia") and target[len("/dev/nvidia") :].isdigit():
            return True
    return False
