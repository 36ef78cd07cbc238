"""The indexer lock of a workspace: one process writes the index at a time; an older version makes way for a newer."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from db.migrations import HEAD
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.files.json_records import read_json, write_json
from engine.files.safe_open import open_lock, read_regular
from engine.runner.processes.identity import ALIVE, ELSEWHERE, GONE, from_record, identify, presence

_YIELD_SECONDS = 30.0


@dataclass(frozen=True)
class Holder:
    """The indexer that holds the lock."""

    pid: int
    revision: str
    """Its newest database revision; empty for version 0.1, which writes only its pid."""
    version: str = ""
    """The version of its package; empty if not installed."""
    is_here: bool = True
    """Whether the pid is that of the indexer on this machine; only then may it be signalled."""


@contextlib.contextmanager
def lock_file(workspace: Workspace) -> Iterator[int]:
    """Open the lock file. Closing the descriptor releases its lock, even if the process is killed."""
    try:
        descriptor = open_lock(workspace.indexer_lock)
    except OSError as error:
        raise YoloqatError(
            f"cannot write to the workspace: {error.strerror}", where=str(workspace.indexer_lock)
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def indexer_lock(workspace: Workspace) -> Iterator[bool]:
    """Try to take the indexer lock for the block; yield False if another process holds it."""
    with lock_file(workspace) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            os.ftruncate(file, 0)
            yield True


def is_in_place(workspace: Workspace, lock: int) -> bool:
    """Whether an open lock file is still the workspace's, which was not deleted, unmounted or recreated."""
    try:
        on_disk, opened = os.stat(workspace.indexer_lock), os.fstat(lock)
    except OSError:
        return False
    return (on_disk.st_dev, on_disk.st_ino) == (opened.st_dev, opened.st_ino)


def write_holder(workspace: Workspace, lock: int) -> None:
    """Write the holder of the lock. The lock file holds only the pid, because version 0.1 reads it as a number.

    Raises:
        OSError: the disk is full.
    """
    os.ftruncate(lock, 0)
    identity = identify(os.getpid())
    assert identity is not None
    record = {**identity._asdict(), "revision": HEAD, "version": installed_version()}
    with contextlib.suppress(OSError):  # on a full disk this indexer is taken for an older one and replaced
        write_json(str(workspace.indexer_record), record, durable=False)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def holder(workspace: Workspace) -> Holder | None:
    """Return the indexer that holds the lock; None if it is free, or held briefly by a command, which writes no pid."""
    try:
        pid = int(read_regular(workspace.indexer_lock).decode())
    except (OSError, ValueError):
        return None
    record = read_json(str(workspace.indexer_record)) or {}
    identity = from_record(record)
    state = GONE if identity is None or identity.pid != pid else presence(identity)
    if state not in (ALIVE, ELSEWHERE):
        return Holder(pid, "", is_here=_is_of_first_version(pid))
    return Holder(pid, str(record.get("revision", "")), str(record.get("version", "")), is_here=state == ALIVE)


def _is_of_first_version(pid: int) -> bool:
    """Whether a process is an indexer of version 0.1, by its command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"app.services.indexer" in file.read().split(b"\0")
    except OSError:
        return False


def is_older(other: Holder) -> bool:
    """Whether an indexer has an older version than this program, and so must exit before this one writes."""
    if other.revision != HEAD:
        return other.revision < HEAD
    own_version = installed_version()
    if other.version == own_version or not (other.version and own_version):
        return False
    from packaging.version import InvalidVersion, Version

    try:
        return Version(other.version) < Version(own_version)
    except InvalidVersion:
        return False


def installed_version() -> str:
    """Return the version of the installed package; empty if it is not installed."""
    try:
        return version("yoloqat")
    except PackageNotFoundError:
        return ""


@contextlib.contextmanager
def take_over(workspace: Workspace) -> Iterator[bool]:
    """Hold the lock for the block after stopping the indexer that holds it; yield whether there was one.

    Raises:
        YoloqatError: the indexer does not stop.
    """
    with contextlib.ExitStack() as stack:
        is_ours = stack.enter_context(indexer_lock(workspace))
        was_held = not is_ours
        deadline = time.monotonic() + _YIELD_SECONDS
        if was_held:
            _request_exit(workspace)
        while not is_ours:
            if time.monotonic() > deadline:
                raise YoloqatError(
                    "another process is indexing this workspace and does not stop",
                    where=str(workspace.indexer_lock),
                    hint="Try again in a minute.",
                )
            time.sleep(0.05)
            is_ours = stack.enter_context(indexer_lock(workspace))
        yield was_held


def _request_exit(workspace: Workspace) -> None:
    """Send SIGTERM to the indexer that holds the lock. A new holder writes its pid into the file, or empties it."""
    other = holder(workspace)
    if other is None or not other.is_here:
        return
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(other.pid)
        try:
            with indexer_lock(workspace) as is_ours:
                # The same holder still has the lock, so the descriptor is that process and no later one with its pid.
                if not is_ours and holder(workspace) == other:
                    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)
