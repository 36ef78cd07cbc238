"""Notices that a process of the run executes one of some programs, however short it lives.

inotify reports that the file of such a program is opened, which executing it does; the process tree then shows which
process it is, and its command line. Clients of servers (tmux, docker) live for milliseconds, so a thread waits for the
report: the runner itself sleeps for seconds.
"""

import _thread
import contextlib
import ctypes
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from engine.runner.processes.children import marker_of
from engine.runner.processes.identity import Stat, read_stat

_IN_OPEN = 0x20
_BYTES = 1 << 14
_LOOKS = 20
_LOOK_SECONDS = 0.001
"""A shell's fork needs up to a millisecond from the open file to its new command line."""
_TREE_LOOKS = 40
"""Looks at the tree after an execution was seen, for what it leaves behind: a server that it starts."""
_SHARE = 0.01
"""Of one core: where others on this machine execute such programs all the time, some of their reports are passed
over."""
_BUDGET_SECONDS = 2.0
_END_SECONDS = 0.5
_MAX_SEEN = 1000
_COMMAND_BYTES = 1 << 16


class Execution(NamedTuple):
    """A program that a process of the run has executed."""

    program: str
    """Its name, `docker`."""
    command: tuple[str, ...]
    """Its command line from the program on, without the interpreter of a script."""
    pid: int
    start_time: int
    """Of the process, in clock ticks since boot."""
    cwd: str
    seen_at: float
    """On the monotonic clock."""


class ExecutionWatch:
    """Watches for executions of programs by the descendants of this process, from its creation until `close`."""

    def __init__(
        self,
        programs: Iterable[str],
        path: str,
        mark: str,
        on_execution: Callable[[Execution], bool] = lambda execution: False,
    ) -> None:
        """Start watching.

        Args:
            programs: their names.
            mark: of this run; what a run launched from inside of it executes is not reported.
            path: the folders in which they are looked for, as in PATH.
            on_execution: called in the thread for each new one, and again every millisecond as long as it returns
                True, at most `_TREE_LOOKS` times.
        """
        self.executions: list[Execution] = []
        """In the order in which they were seen."""
        self.opened: set[str] = set()
        """Programs that somebody, perhaps another user, has executed or read."""
        self._mark = mark
        self._on_execution = on_execution
        self._programs = frozenset(programs)
        self._names: dict[int, str] = {}
        self._seen: set[tuple[int, int, str]] = set()
        self._used = 0.0
        self._began = time.monotonic()
        self._closing = False
        self._ended = _thread.allocate_lock()
        self._descriptor = -1
        self.is_watching = False
        """False where the system offers no inotify, or nothing of its own is left of it for this user."""
        with contextlib.suppress(OSError, AttributeError):
            self._start(path)

    def _start(self, path: str) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_CLOEXEC)
        if self._descriptor < 0:
            return
        self._library = library
        for name, file in _files(self._programs, path):
            watch = library.inotify_add_watch(self._descriptor, os.fsencode(file), _IN_OPEN)
            if watch >= 0:
                self._names[watch] = name
        if not self._names:
            os.close(self._descriptor)
            self._descriptor = -1
            return
        self.is_watching = True
        self._ended.acquire()
        _thread.start_new_thread(self._follow, ())

    def close(self) -> None:
        """Stop watching; what was reported before is looked at first."""
        if self._descriptor < 0:
            return
        self._closing = True
        for watch in self._names:
            self._library.inotify_rm_watch(self._descriptor, watch)  # which reports it, and so wakes the thread
        if self._ended.acquire(timeout=_END_SECONDS):
            os.close(self._descriptor)
        self._descriptor = -1

    def add(self, execution: Execution) -> None:
        """Take note of an execution that is known without having been seen."""
        key = execution.pid, execution.start_time, execution.program
        if key in self._seen:
            return
        self._seen.add(key)
        self.executions.append(execution)

    def _follow(self) -> None:
        try:
            while not self._closing:
                report = os.read(self._descriptor, _BYTES)
                opened = {self._names[watch] for watch in _watches(report) if watch in self._names}
                self.opened |= opened
                if opened and self._used < _BUDGET_SECONDS + _SHARE * (time.monotonic() - self._began):
                    started = time.thread_time()
                    self._look()
                    self._used += time.thread_time() - started
        except OSError:
            pass
        finally:
            self._ended.release()

    def _look(self) -> None:
        for _ in range(_LOOKS):
            found = [execution for execution in self._current() if len(self._seen) < _MAX_SEEN]
            for execution in found:
                self.add(execution)
                for _ in range(_TREE_LOOKS):
                    if not self._on_execution(execution):
                        break
                    time.sleep(_LOOK_SECONDS)
            if found:
                return
            time.sleep(_LOOK_SECONDS)

    def _current(self) -> Iterator[Execution]:
        """Yield new executions among the descendants."""
        for pid in descendant_pids(os.getpid()):
            process = read_stat(pid)
            command = [] if process is None else program_command(command_line(pid), self._programs)
            if process is None or not command:
                continue
            name = os.path.basename(command[0])
            if (pid, process.start_time, name) not in self._seen and marker_of(pid) in (None, self._mark):
                yield _execution(process, name, command)


def execution_of(pid: int, command: list[str]) -> Execution | None:
    """Return an execution by a process that is there; None where it has gone."""
    process = read_stat(pid)
    return None if process is None else _execution(process, os.path.basename(command[0]), command)


def _execution(process: Stat, name: str, command: list[str]) -> Execution:
    cwd = ""
    with contextlib.suppress(OSError):
        cwd = os.readlink(f"/proc/{process.pid}/cwd")
    return Execution(name, tuple(command), process.pid, process.start_time, cwd, time.monotonic())


def program_command(command: list[str], programs: frozenset[str]) -> list[str]:
    """Return the command line of one of the programs, without the interpreter of a script; empty for others."""
    if command and os.path.basename(command[0]) in programs:
        return command
    # The kernel starts a script as `interpreter [option] path …`.
    for position in (1, 2):
        if len(command) > position and "/" in command[position] and os.path.basename(command[position]) in programs:
            return command[position:]
    return []


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process; empty where it has gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            text = file.read(_COMMAND_BYTES)
    except OSError:
        return []
    return [os.fsdecode(argument) for argument in text.removesuffix(b"\0").split(b"\0")] if text else []


def descendant_pids(root: int) -> list[int]:
    """Return the pids below a process, nearest first, from the kernel's lists of children."""
    found: list[int] = []
    frontier = [root]
    while frontier:
        children = [child for parent in frontier for child in _children(parent)]
        found += children
        frontier = children
    return found


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children: list[int] = []
    for thread in threads:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
            children += [int(child) for child in file.read().split()]
    return children


def _files(programs: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of each of the programs that is there."""
    names = list(programs)
    for folder in dict.fromkeys(path.split(os.pathsep)):
        for name in names:
            file = os.path.join(folder or ".", name)
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.stat(file).st_mode):
                    yield name, file


def _watches(report: bytes) -> Iterator[int]:
    """Yield the watches whose file was opened: an event is watch, mask, cookie, length of a name, and the name."""
    position = 0
    while position + 16 <= len(report):
        watch, mask, _, length = (
            int.from_bytes(report[start : start + 4], sys.byteorder) for start in range(position, position + 16, 4)
        )
        if mask & _IN_OPEN:
            yield watch
        position += 16 + length
