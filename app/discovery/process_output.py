"""Find the log of a foreign process by its open files."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.discovery.read_log import read_log
from engine.contracts.errors import YoloqatError
from engine.runner.processes.identity import Identity, identify, read_stat
from engine.supervise.state.open_files import OpenFile, open_files, readers_of_pipe

_MOST_CANDIDATES = 20
_LOG_NAMES = (".log", ".txt", ".out", ".err", ".csv")


@dataclass(frozen=True)
class RunningProcess:
    """A foreign process and the log that it writes."""

    identity: Identity
    argv: tuple[str, ...]
    cwd: str
    log: Path


def find_log(pid: int) -> RunningProcess:
    """Find the log of a process: the file that its output goes to, directly or through a pipe, or another open file.

    Raises:
        YoloqatError: the process does not exist or cannot be read, or writes no file that can be watched.
    """
    identity = identify(pid)
    status = read_stat(pid)
    if identity is None or status is None:
        raise YoloqatError(f"there is no process {pid}", where="PID", hint="`ps -ef` lists the processes.")
    if status.state in "ZX":
        raise YoloqatError(f"process {pid} has ended", where="PID", hint="Use `yoloqat import` for its log.")
    try:
        files = open_files(pid)
    except ProcessLookupError as error:
        raise YoloqatError(f"process {pid} has just ended", where="PID") from error
    except PermissionError as error:
        raise YoloqatError(
            f"process {pid} belongs to another user, and its files cannot be read",
            where="PID",
            hint="Use `yoloqat watch PATH` if you may read its log.",
        ) from error
    argv, cwd = _argv(pid), _cwd(pid)
    candidates, unreachable = [], None
    for file in _candidates(files):
        try:
            candidates.append(_reachable_path(file))
        except YoloqatError as error:
            unreachable = unreachable or error
    if not candidates:
        raise unreachable or _no_file(pid, files)
    return RunningProcess(identity, argv, cwd, _best(list(dict.fromkeys(candidates))))


def _candidates(files: list[OpenFile]) -> Iterator[OpenFile]:
    """Yield files that may be its log, the most likely first."""
    streams = [file for file in files if file.number in (1, 2)]
    for stream in streams:
        if stream.is_regular:
            yield stream
    for target in dict.fromkeys(stream.target for stream in streams if stream.target.startswith("pipe:")):
        for pid in readers_of_pipe(target):
            try:
                reader_files = open_files(pid)
            except OSError:
                continue
            yield from (file for file in reader_files if file.is_regular and file.is_for_writing)
    for file in files:
        is_named = file.path.name.lower().endswith(_LOG_NAMES)
        if file.number > 2 and is_named and file.is_regular and file.is_for_writing and not file.is_deleted:
            yield file


def _reachable_path(file: OpenFile) -> Path:
    """Return the path of an open file.

    Raises:
        YoloqatError: the file was deleted, or is in another container.
    """
    if file.is_deleted:
        raise YoloqatError(
            f"the log of process {file.pid} was deleted", where=str(file.path), hint="A deleted file cannot be watched."
        )
    try:
        on_disk, opened = file.path.stat(), file.status
    except OSError:
        on_disk, opened = None, None
    if on_disk is None or opened is None or (on_disk.st_dev, on_disk.st_ino) != (opened.st_dev, opened.st_ino):
        raise YoloqatError(
            f"the log of process {file.pid} cannot be reached by its name: it lies in another container",
            where=str(file.path),
            hint="Use `yoloqat watch PATH` if it is mounted on this machine.",
        )
    return file.path


def _best(candidates: list[Path]) -> Path:
    """Return the first file with a training; the first of all if none has one yet."""
    if len(candidates) == 1:
        return candidates[0]
    for path in candidates[:_MOST_CANDIDATES]:
        try:
            log = read_log(path, sniff=True)
        except YoloqatError:
            continue
        if any(part.is_training for part in log.parts):
            return path
    return candidates[0]


def _no_file(pid: int, files: list[OpenFile]) -> YoloqatError:
    stream = next((file for file in files if file.number == 1), None)
    if stream is None:
        what = "its stdout is closed"
    elif stream.target.startswith("pipe:"):
        what = "its stdout is a pipe, and the reader of the pipe writes no file"
    elif stream.target.startswith("socket:"):
        what = "its stdout is a socket"
    elif stream.target == "/dev/null":
        what = "its stdout is /dev/null"
    elif _is_terminal(stream):
        what = f"its stdout is a terminal ({stream.target})"
    else:
        what = f"its stdout is {stream.target}"
    return YoloqatError(
        f"process {pid} writes no log that can be watched: {what}",
        where="PID",
        hint="Start it with its output in a file, `python train.py > train.log 2>&1`, or with `yoloqat run -- …`.",
    )


def _is_terminal(stream: OpenFile) -> bool:
    status = stream.status
    return status is not None and stat.S_ISCHR(status.st_mode)


def _argv(pid: int) -> tuple[str, ...]:
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(part.decode("utf-8", "backslashreplace") for part in data.rstrip(b"\0").split(b"\0") if part)


def _cwd(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""
