"""JSON records on disk: whole or absent, never half."""

import contextlib
import json
import os
from datetime import UTC, datetime
from typing import Any

from engine.files.atomic import UMASK_DECIDES, create_file, sync_folder, write_bytes
from engine.files.safe_open import read_regular

SCHEMA_VERSION = 1
RESERVED_BYTES = 8192
"""An outcome is some 600 bytes; a reason may be long."""


def now() -> str:
    """Return the present moment, UTC, as records hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read_json(path: str) -> dict[str, Any] | None:
    """Return the record, None when there is none or it is not a JSON object in a regular file."""
    try:
        record = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def write_json(path: str, record: dict[str, Any], durable: bool = True, *, mode: int = UMASK_DECIDES) -> None:
    """Write a record atomically. `durable` waits until the disk has it.

    Args:
        mode: permissions before the umask takes its bits away.

    Raises:
        OSError: disk full, folder gone, no permission.
    """
    write_bytes(path, encode(record), mode=mode, durable=durable)


def encode(record: dict[str, Any]) -> bytes:
    return json.dumps({"schema_version": SCHEMA_VERSION, **record}, indent=1).encode() + b"\n"


class ReservedRecord:
    """A record whose disk space is taken now and whose contents come later, so that a full disk cannot hide them."""

    def __init__(self, path: str) -> None:
        """Reserve.

        Raises:
            OSError: not even this much space is left.
        """
        self.path = path
        self._reserved = f"{path}.reserved"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._reserved)
        self._descriptor = create_file(self._reserved)
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
