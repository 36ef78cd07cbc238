"""JSON records on disk: whole or absent, never half."""

import contextlib
import json
import os
from datetime import UTC, datetime
from typing import Any

SCHEMA_VERSION = 1
RESERVED_BYTES = 8192
"""An outcome is some 600 bytes; a reason may be long."""


def now() -> str:
    """The present moment, UTC, as records hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read_json(path: str) -> dict[str, Any] | None:
    """The record, None when there is none or it is not a JSON object."""
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def write_json(path: str, record: dict[str, Any], durable: bool = True) -> None:
    """Write a record through a temporary file. `durable` waits until the disk has it.

    Raises:
        OSError: disk full, folder gone, no permission.
    """
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        _write_all(descriptor, encode(record))
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    if durable:
        sync_folder(os.path.dirname(path))


def encode(record: dict[str, Any]) -> bytes:
    return json.dumps({"schema_version": SCHEMA_VERSION, **record}, indent=1).encode() + b"\n"


def sync_folder(path: str) -> None:
    """Make a rename inside a folder durable. File systems that cannot are left to their ways."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


class ReservedRecord:
    """A record whose disk space is taken now and whose contents come later, so that a full disk cannot hide them."""

    def __init__(self, path: str) -> None:
        """Reserve.

        Raises:
            OSError: not even this much space is left.
        """
        self.path = path
        self._reserved = f"{path}.reserved"
        self._descriptor = os.open(self._reserved, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            # Real bytes, not a hole and not fallocate: some file systems only pretend to that.
            _write_all(self._descriptor, b" " * RESERVED_BYTES)
            os.fsync(self._descriptor)
        except OSError:
            os.close(self._descriptor)
            os.unlink(self._reserved)
            raise

    def commit(self, record: dict[str, Any]) -> None:
        """Write into the reserved space and give it its name.

        Raises:
            OSError: the folder is gone.
        """
        contents = encode(record)
        if len(contents) > RESERVED_BYTES:
            contents = encode({**record, "reason": str(record.get("reason", ""))[:1000]})
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        _write_all(self._descriptor, contents)
        os.ftruncate(self._descriptor, len(contents))
        os.fsync(self._descriptor)
        os.rename(self._reserved, self.path)
        sync_folder(os.path.dirname(self.path))

    def withdraw(self) -> None:
        """Give the space back; there is nothing to say."""
        os.close(self._descriptor)
        with contextlib.suppress(OSError):
            os.unlink(self._reserved)


def _write_all(descriptor: int, contents: bytes) -> None:
    view = memoryview(contents)
    while view:
        view = view[os.write(descriptor, view) :]
