"""Leases on GPUs and on slots of the CPU lane, and the line of those that wait for one: locks on files.

One folder per user and machine:

| file | locked by | holds |
|---|---|---|
| `lock` | whoever looks and takes, for some milliseconds | nothing |
| `gpu-0`, `gpu-MIG-…`, `cpu-0` | who has it: exclusively, or shared where each tells its memory | who that is |
| `gpu-0.<run>` | one of those that share | who that is, and how much memory |
| `queue/<place>` | a runner that waits for its turn | which run, and what it wants |

The stage inherits the lock of its lease, so the lease lives as long as runner or stage. What nobody locks means
nothing.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from engine.files.json_records import read_json
from engine.files.safe_open import open_lock
from engine.runner.waiting.scheduler import DeviceRequest, Waiter

_TRIES = 25
_PAUSE_SECONDS = 0.02
PRIORITIES = 1000
"""Priorities lie between this and its negative."""


def file_name(device: str) -> str:
    """Return the name of a device's lock file. Older drivers have slashes in the UUIDs of MIG instances."""
    return device.replace("/", "_")


class Holder(NamedTuple):
    """A run that has a lease."""

    name: str
    attempt: str
    """Its attempt folder, which is the mark that its processes carry."""
    pid: int
    memory: int
    """Bytes that it has asked for; 0 for everything."""


class Place(NamedTuple):
    """Where a run stands in line: by priority, then by position (the time of its launch unless it was moved)."""

    priority: int
    position: float
    held: bool
    why: str = "held"
    not_before: float = 0.0
    """When it may start, in seconds since 1970."""

    def key(self, run: str) -> str:
        """Return a file name that sorts by the place in the queue."""
        rank = PRIORITIES - max(-PRIORITIES, min(PRIORITIES, self.priority))
        return f"{rank:04d}-{max(self.position, 0.0):020.6f}-{run}"


def read_place(attempt: str) -> Place:
    """Return `queue.json`, or where a run stands that has none: by its launch."""
    record = read_json(os.path.join(attempt, "queue.json")) or {}
    position = record.get("position")
    if not isinstance(position, int | float):
        try:
            position = os.stat(os.path.join(attempt, "launch.json")).st_mtime
        except OSError:
            position = time.time()
    priority = record.get("priority")
    not_before = record.get("not_before")
    return Place(
        priority if isinstance(priority, int) else 0,
        float(position),
        record.get("held") is True,
        str(record.get("why") or "held"),
        float(not_before) if isinstance(not_before, int | float) else 0.0,
    )


class Leases:
    """The leases of one user on this machine. Look and take inside of `locked` alone."""

    def __init__(self, folder: str) -> None:
        """Open the folder, making it where it isn't there.

        Raises:
            OSError: it cannot be made.
        """
        self.folder = folder
        self.queue = os.path.join(folder, "queue")
        os.makedirs(self.queue, mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[bool]:
        """Keep everybody else from looking and taking; False when it cannot be had within half a second."""
        descriptor = _open(os.path.join(self.folder, "lock"))
        try:
            yield any(_tries(descriptor))
        finally:
            os.close(descriptor)

    def holders(self, device: str) -> list[Holder]:
        """Return who has `gpu-0` or `cpu-0`; one without a `memory` has it all."""
        path = self._path(device)
        if not os.path.exists(path):
            return []
        descriptor = _open(path)
        try:
            if _lock(descriptor, fcntl.LOCK_EX):
                return []
            shared = _lock(descriptor, fcntl.LOCK_SH)
            sharers = list(self._sharers(device)) if shared else []
            return sharers or [_holder(_read(descriptor))]
        finally:
            os.close(descriptor)

    def _sharers(self, device: str) -> Iterator[Holder]:
        for name in sorted(os.listdir(self.folder)):
            if name.startswith(f"{file_name(device)}."):
                record = self._read_if_locked(os.path.join(self.folder, name))
                if record is not None:
                    yield _holder(record)

    def take(self, device: str, run: str, record: dict[str, Any]) -> list[int]:
        """Lock a device for a run.

        Args:
            run: what the file of a sharer is called by.
            record: who takes it; with a `memory` it is shared.

        Returns:
            The descriptors that hold it; empty when somebody else has it after all.
        """
        memory = record.get("memory")
        descriptor = _open(self._path(device))
        if not _lock(descriptor, fcntl.LOCK_SH if memory else fcntl.LOCK_EX):
            os.close(descriptor)
            return []
        if not memory:
            update_record(descriptor, record)
            return [descriptor]
        share = _open(f"{self._path(device)}.{run}")
        if not _lock(share, fcntl.LOCK_EX):
            os.close(share)
            os.close(descriptor)
            return []
        update_record(share, record)
        return [share, descriptor]

    def _path(self, device: str) -> str:
        return os.path.join(self.folder, file_name(device))

    # --- the line ---

    def earlier(self, key: str) -> Iterator[Waiter]:
        """Return those that stand before a place, first in line first. A dead runner's place is removed."""
        for name in sorted(os.listdir(self.queue)):
            if name.startswith("."):  # another runner is just entering the queue
                continue
            if name >= key:
                return
            record = self._read_if_locked(os.path.join(self.queue, name))
            if record is not None:
                yield Waiter(str(record.get("run", "")), parse_request(record.get("wants")))

    def _read_if_locked(self, path: str) -> dict[str, Any] | None:
        """Return what a file says that somebody locks; one that nobody locks is removed."""
        try:
            descriptor = open_lock(path, create=False)
        except OSError:
            return None
        try:
            if _lock(descriptor, fcntl.LOCK_SH):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                return None
            return _read(descriptor)
        finally:
            os.close(descriptor)


class Ticket:
    """A runner's place in line, there as long as it is locked."""

    def __init__(self, leases: Leases, key: str, record: dict[str, Any]) -> None:
        """Get in line. The place is locked before anybody can see it."""
        self.key = key
        self._queue = leases.queue
        fresh = os.path.join(leases.queue, f".{os.getpid()}-{key}")
        self._descriptor = _open(fresh)
        _lock(self._descriptor, fcntl.LOCK_EX)
        update_record(self._descriptor, record)
        os.rename(fresh, os.path.join(self._queue, key))

    def move(self, key: str) -> None:
        """Move to another place in the queue."""
        if key != self.key:
            os.rename(os.path.join(self._queue, self.key), os.path.join(self._queue, key))
            self.key = key

    def leave(self) -> None:
        """Leave the queue."""
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self._queue, self.key))
        os.close(self._descriptor)


def parse_request(record: Any) -> DeviceRequest:
    """Return what `launch.json` or a place in line says that a run wants."""
    if not isinstance(record, dict):
        return DeviceRequest()
    gpus, among = record.get("gpus", 0), record.get("among")
    return DeviceRequest(
        gpus=gpus if isinstance(gpus, int) else tuple(str(name) for name in gpus),
        among=None if among is None else tuple(str(name) for name in among),
        memory=int(record.get("memory") or 0),
        cpu=bool(record.get("cpu")),
    )


def update_record(descriptor: int, record: dict[str, Any]) -> None:
    """Write into a lock file who has it. A full disk must not keep a run from starting: the lock is what counts."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(record).encode() + b"\n", 0)


def _read(descriptor: int) -> dict[str, Any]:
    try:
        record = json.loads(os.pread(descriptor, 1 << 16, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _holder(record: dict[str, Any]) -> Holder:
    pid, memory = record.get("pid"), record.get("memory")
    return Holder(
        name=str(record.get("run") or "?"),
        attempt=str(record.get("attempt") or ""),
        pid=pid if isinstance(pid, int) else 0,
        memory=memory if isinstance(memory, int) else 0,
    )


def _open(path: str) -> int:
    return open_lock(path, 0o600)


def _lock(descriptor: int, kind: int) -> bool:
    """Lock an open file; return False if somebody else has locked it.

    Raises:
        OSError: this file system knows no locks.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tries(descriptor: int) -> Iterator[bool]:
    for _ in range(_TRIES):
        yield _lock(descriptor, fcntl.LOCK_EX)
        time.sleep(_PAUSE_SECONDS)
