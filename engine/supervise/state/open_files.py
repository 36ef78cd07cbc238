"""Which processes have a file open, and which files a process has open, as `/proc` tells."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.runner.processes.identity import Identity, identify

_DELETED = " (deleted)"
_WRITING = os.O_WRONLY | os.O_RDWR
_NO_FILES = ("/dev/", "socket:", "pipe:", "anon_inode:")


@dataclass(frozen=True)
class OpenFile:
    """One descriptor of a process."""

    pid: int
    number: int
    target: str
    """What the kernel calls it: a path, `pipe:[4711]`, `/dev/pts/3`."""

    @property
    def status(self) -> os.stat_result | None:
        """Of the file behind it, whatever it is called now; None when it is closed or may not be looked at."""
        try:
            return os.stat(f"/proc/{self.pid}/fd/{self.number}")
        except OSError:
            return None

    @property
    def is_for_writing(self) -> bool:
        try:
            with open(f"/proc/{self.pid}/fdinfo/{self.number}", encoding="ascii") as file:
                flags = next(line for line in file if line.startswith("flags:"))
        except (OSError, StopIteration):
            return False
        return bool(int(flags.split()[1], 8) & _WRITING)

    @property
    def is_regular(self) -> bool:
        status = None if self.target.startswith(_NO_FILES) else self.status
        return status is not None and stat.S_ISREG(status.st_mode)

    @property
    def is_deleted(self) -> bool:
        return self.target.endswith(_DELETED)

    @property
    def path(self) -> Path:
        return Path(self.target.removesuffix(_DELETED))


def open_files(pid: int) -> list[OpenFile]:
    """Return the descriptors of a process, by number.

    Raises:
        ProcessLookupError: there is no such process.
        PermissionError: it is another user's.
    """
    folder = f"/proc/{pid}/fd"
    try:
        numbers = sorted(int(name) for name in os.listdir(folder))
    except FileNotFoundError as error:
        raise ProcessLookupError(pid) from error
    files = []
    for number in numbers:
        try:
            files.append(OpenFile(pid, number, os.readlink(f"{folder}/{number}")))
        except OSError:
            continue  # closed meanwhile
    return files


def pids() -> Iterator[int]:
    """Return all processes that can be seen from here."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def writes(pid: int, device: int, inode: int) -> bool:
    """Return whether a process holds a file open for writing; False where that cannot be seen."""
    try:
        files = open_files(pid)
    except OSError:
        return False
    for file in files:
        if file.target.startswith(_NO_FILES):
            continue
        status = file.status
        if status is not None and (status.st_dev, status.st_ino) == (device, inode) and file.is_for_writing:
            return True
    return False


def writers(device: int, inode: int) -> list[Identity]:
    """Return the processes that hold a file open for writing, as far as they may be looked at; this one left out."""
    found = [identify(pid) for pid in pids() if pid != os.getpid() and writes(pid, device, inode)]
    return [identity for identity in found if identity is not None]


def readers_of_pipe(target: str) -> list[int]:
    """Return the processes that read from a pipe, by what the kernel calls it."""
    found = []
    for pid in pids():
        try:
            files = open_files(pid)
        except OSError:
            continue
        if any(file.target == target and not file.is_for_writing for file in files):
            found.append(pid)
    return found
