"""Copy the bytes of a log that another program writes into the run folder, as they come.

The copy is authoritative from then on: it keeps what the program rotates away, truncates or deletes. Only
the holder of the indexer's lock copies, so no two processes append to one copy.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from engine.contracts.attempt_records import ProcessIdentity
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.contracts.watching import WatchRecord
from engine.files.safe_open import NotRegularFileError, open_append, open_regular
from engine.supervise.launch.new_attempt import new_attempt
from engine.supervise.state.open_files import open_files
from engine.supervise.state.watched import current_writers

_LOG = logging.getLogger(__name__)
_READ_BYTES = 1 << 20
_MOST_BYTES = 64 << 20
"""Limit per call, so that other runs get their turn."""
_TAIL_BYTES = 256
_HEAD_BYTES = 4096
_WRITERS_SECONDS = 5.0


class LogCopier:
    """Copies the watched log of one run. Its position is the length of the newest attempt's console."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._attempt: AttemptFolder | None = None
        self._record: WatchRecord | None = None
        self._file: BinaryIO | None = None
        self._stamp: tuple[int, int] | None = None
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._failure = ""

    def copy_new_bytes(self) -> bool:
        """Copy the new bytes. A file that was truncated or replaced starts a new attempt.

        A failed read or write (server unreachable, disk full) is retried at the next call.

        Returns:
            Whether bytes were copied.
        """
        try:
            copied = self._copy_changes()
        except OSError as error:
            if str(error) != self._failure:
                _LOG.warning("%s cannot be followed at present: %s", self._folder.id, error)
            self._failure = str(error)
            self.close()
            return False
        self._failure = ""
        return copied

    def _copy_changes(self) -> bool:
        self._open_newest()
        if self._attempt is None or self._record is None or self._record.ended_at is not None:
            return False
        if self._file is None:
            if self._open(self._record):
                return self._start_attempt("the log was replaced")
            if self._file is None:  # deleted, and no process holds it open: the copy is complete
                return False
        status = os.fstat(self._file.fileno())
        copied = False
        if (status.st_size, status.st_mtime_ns) != self._stamp:
            console = self._attempt.console
            have = console.stat().st_size if console.exists() else 0
            if self._is_rewritten(console, have, status.st_size):
                return self._start_attempt("the log was truncated")
            copied = self._copy(console, have, status.st_size)
            if self._record.begins + console.stat().st_size == status.st_size:
                self._stamp = (status.st_size, status.st_mtime_ns)
        self._record_writers(copied)
        if not copied and self._is_replaced():
            return self._start_attempt("the log was replaced")
        return copied

    @property
    def is_over(self) -> bool:
        """Whether the newest attempt's file has been marked as finished."""
        self._open_newest()
        return self._record is None or self._record.ended_at is not None

    @property
    def is_behind(self) -> bool:
        """Whether the last read or write failed, so bytes may be missing."""
        return bool(self._failure)

    def finish(self) -> None:
        """Mark the file as finished: no process writes it, and all of it is copied."""
        if self._record is not None and self._record.ended_at is None:
            self._write(self._record.model_copy(update={"ended_at": datetime.now(UTC)}))
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open_newest(self) -> None:
        """Open the newest attempt at the length that an earlier process has copied to."""
        attempts = self._folder.attempts()
        newest = attempts[-1] if attempts else None
        if newest != self._attempt:
            self.close()
            self._attempt, self._stamp = newest, None
        if newest is not None:
            self._record = WatchRecord.read(newest.watch)

    def _open(self, record: WatchRecord) -> bool:
        """Open the file, even if it was renamed or deleted; return True when its name belongs to another file now.

        Raises:
            OSError: a file of this name exists and cannot be read now.
        """
        unreadable: OSError | None = None
        for path in _places(record):
            try:
                file = open_regular(path, follow=True)  # stays open, so that a renamed file is read to its end
            except OSError as error:
                is_other_file = isinstance(error, NotRegularFileError) and not os.path.islink(path)
                is_missing = is_other_file or isinstance(error, FileNotFoundError | NotADirectoryError)
                if path == record.path and not is_missing:
                    unreadable = error
                continue
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) == (record.device, record.inode):
                self._file = file
                return False
            file.close()
        if unreadable is not None:
            raise unreadable
        return os.path.exists(record.path)

    def _is_rewritten(self, console: Path, have: int, size: int) -> bool:
        """Whether the file no longer begins with the bytes that were copied."""
        assert self._record is not None
        assert self._file is not None
        if not have:
            return size < self._record.begins
        if self._record.begins + have > size:
            return True
        with open_regular(console) as copy:
            for start, count in ((0, min(have, _HEAD_BYTES)), (max(have - _TAIL_BYTES, 0), _TAIL_BYTES)):
                copy.seek(start)
                self._file.seek(self._record.begins + start)
                expected_bytes = copy.read(min(count, have - start))
                if self._file.read(len(expected_bytes)) != expected_bytes:
                    return True
        return False

    def _copy(self, console: Path, have: int, size: int) -> bool:
        assert self._record is not None
        assert self._file is not None
        left = min(size - self._record.begins - have, _MOST_BYTES)
        if left <= 0:
            os.close(open_append(console))
            return False
        self._file.seek(self._record.begins + have)
        with open(open_append(console), "ab") as output:
            while left > 0 and (chunk := self._file.read(min(left, _READ_BYTES))):
                output.write(chunk)
                left -= len(chunk)
        return True

    def _record_writers(self, copied: bool) -> None:
        """Record the processes that write the file, and how often it grows."""
        assert self._record is not None
        now = datetime.now(UTC)
        record = self._record
        if (now - self._looked_at).total_seconds() < _WRITERS_SECONDS and not (copied and not record.writers):
            return
        self._looked_at = now
        changes: dict[str, object] = {}
        writers = current_writers(record)
        if writers and writers != record.writers:
            changes["writers"] = writers
        if copied and not writers and not record.writers:
            gap = (now - record.grown_at).total_seconds() if record.grown_at else 0.0
            changes |= {"grown_at": now, "longest_gap": max(gap, record.longest_gap)}
        if changes:
            self._write(record.model_copy(update=changes))

    def _is_replaced(self) -> bool:
        """Whether another file has taken the name, and no process writes the old one."""
        assert self._record is not None
        try:
            status = os.stat(self._record.path)
        except OSError:
            return False
        is_other = (status.st_dev, status.st_ino) != (self._record.device, self._record.inode)
        return is_other and status.st_size > 0 and not current_writers(self._record)

    def _start_attempt(self, note: str) -> bool:
        """Create a new attempt, whose console is a copy of the file as it is now."""
        assert self._attempt is not None
        assert self._record is not None
        before = self._record
        try:
            with open_regular(before.path, follow=True) as file:
                status = os.fstat(file.fileno())
                begins = _first_data(file)
        except FileNotFoundError:
            return False
        anew = before.model_copy(
            update={"device": status.st_dev, "inode": status.st_ino, "begins": begins, "note": note, "writers": []}
        )
        writers = current_writers(anew)
        started = before.started_at if _same(writers, before.writers) else datetime.now(UTC)
        anew = anew.model_copy(update={"writers": writers, "started_at": started, "grown_at": datetime.now(UTC)})
        with new_attempt(self._folder, self._attempt.number + 1) as attempt:
            attempt.console.touch()
            anew.write(attempt.watch)
        self._write(before.model_copy(update={"ended_at": datetime.now(UTC)}))
        self.close()
        return True

    def _write(self, record: WatchRecord) -> None:
        assert self._attempt is not None
        record.write(self._attempt.watch)
        self._record = record


def _places(record: WatchRecord) -> Iterator[str]:
    """Yield paths to the file: its name, the descriptors of its writers, other names in its folder."""
    yield record.path
    for writer in record.writers:
        with contextlib.suppress(OSError):
            for file in open_files(writer.pid):
                status = file.status if file.is_regular else None
                if status is not None and (status.st_dev, status.st_ino) == (record.device, record.inode):
                    yield f"/proc/{file.pid}/fd/{file.number}"
    with contextlib.suppress(OSError), os.scandir(os.path.dirname(record.path)) as entries:
        yield from [entry.path for entry in entries if entry.inode() == record.inode]


def _first_data(file: BinaryIO) -> int:
    """Return the offset of the first data: a program that keeps writing after a truncation leaves a hole before it."""
    if file.read(1) not in (b"\0",):
        return 0
    try:
        at = os.lseek(file.fileno(), 0, os.SEEK_DATA)
    except OSError:
        return 0
    file.seek(at)
    block = file.read(_READ_BYTES)
    return at + len(block) - len(block.lstrip(b"\0"))


def _same(one: list[ProcessIdentity], other: list[ProcessIdentity]) -> bool:
    return {writer.pid for writer in one} == {writer.pid for writer in other}
