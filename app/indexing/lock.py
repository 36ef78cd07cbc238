"""The lock of a workspace's indexer: one process writes the index at a time, an older version's goes first."""

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
    """The indexer that has the lock."""

    pid: int
    revision: str
    """The newest revision of the tables that it knows; empty for one of version 0.1, which writes its pid alone."""
    version: str = ""
    """Of the package; empty where it is not installed."""
    is_here: bool = True
    """Whether the pid is that indexer's on this machine: nothing else may be signalled."""


@contextlib.contextmanager
def lock_file(workspace: Workspace) -> Iterator[int]:
    """The open lock file. A lock on it goes with this descriptor, whatever happens to the process."""
    try:
        descriptor = open_lock(workspace.indexer_lock)
    except OSError as error:
        raise YoloqatError(
            f"the workspace cannot be written: {error.strerror}", where=str(workspace.indexer_lock)
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def indexer_lock(workspace: Workspace) -> Iterator[bool]:
    """Take the indexer's lock for the length of the block, or find that another process has it."""
    with lock_file(workspace) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            os.ftruncate(file, 0)
            yield True


def is_in_place(workspace: Workspace, lock: int) -> bool:
    """Whether an open lock file is still the workspace's: not so once that was deleted, unmounted or made anew."""
    try:
        there, ours = os.stat(workspace.indexer_lock), os.fstat(lock)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def write_holder(workspace: Workspace, lock: int) -> None:
    """Say who has the lock. Its own file holds the pid alone, for programs of version 0.1 read it as a number.

    Raises:
        OSError: the disk is full.
    """
    os.ftruncate(lock, 0)
    identity = identify(os.getpid())
    assert identity is not None
    record = {**identity._asdict(), "revision": HEAD, "version": installed_version()}
    with contextlib.suppress(OSError):  # a full disk: it is taken for an older one then, and replaced
        write_json(str(workspace.indexer_record), record, durable=False)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def holder(workspace: Workspace) -> Holder | None:
    """The indexer that holds the lock; None where nobody does, or a command for a moment, which leaves no pid."""
    try:
        pid = int(read_regular(workspace.indexer_lock).decode())
    except (OSError, ValueError):
        return None
    record = read_json(str(workspace.indexer_record)) or {}
    identity = from_record(record)
    where = GONE if identity is None or identity.pid != pid else presence(identity)
    if where not in (ALIVE, ELSEWHERE):
        return Holder(pid, "", is_here=_is_of_first_version(pid))
    return Holder(pid, str(record.get("revision", "")), str(record.get("version", "")), is_here=where == ALIVE)


def _is_of_first_version(pid: int) -> bool:
    """Whether a process is an indexer of version 0.1, by its command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"app.services.indexer" in file.read().split(b"\0")
    except OSError:
        return False


def is_older(other: Holder) -> bool:
    """Whether an indexer is of an older version than this program, and so has to go before this one writes."""
    if other.revision != HEAD:
        return other.revision < HEAD
    ours = installed_version()
    if other.version == ours or not (other.version and ours):
        return False
    from packaging.version import InvalidVersion, Version

    try:
        return Version(other.version) < Version(ours)
    except InvalidVersion:
        return False


def installed_version() -> str:
    """The version of the installed package; empty where it is not installed."""
    try:
        return version("yoloqat")
    except PackageNotFoundError:
        return ""


@contextlib.contextmanager
def take_over(workspace: Workspace) -> Iterator[bool]:
    """Hold the lock for the length of the block; an indexer that has it is asked to go. Yields whether one was.

    Raises:
        YoloqatError: it does not go.
    """
    with contextlib.ExitStack() as stack:
        is_ours = stack.enter_context(indexer_lock(workspace))
        was_held = not is_ours
        deadline = time.monotonic() + _YIELD_SECONDS
        if was_held:
            _ask_to_go(workspace)
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


def _ask_to_go(workspace: Workspace) -> None:
    """Signal the indexer that holds the lock. Whoever takes the lock writes its pid into it, or empties it."""
    other = holder(workspace)
    if other is None or not other.is_here:
        return
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(other.pid)
        try:
            with indexer_lock(workspace) as is_ours:
                # Still held, and still by the same: so the descriptor is that process, and no later one of its number.
                if not is_ours and holder(workspace) == other:
                    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)
