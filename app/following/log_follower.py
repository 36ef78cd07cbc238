"""Read one log into the index: rows and the offset that they came from are written in one transaction."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from app.following.file_stamps import Stamp, stamp_of
from db.open import Store
from db.reading.index import reading_position
from db.rows_of_facts import FactRows, to_json
from db.summary import refresh_progress, refresh_summary
from db.tables import Attempt
from db.writer import clear_attempt, write_attempt, write_facts
from engine.files.safe_open import open_log
from engine.logs.parser import LogParser
from engine.logs.progress import progress_fields

_READ_BYTES = 1 << 20
_COMMIT_BYTES = 64 << 20
_COMMIT_CELLS = 30_000
"""Limits of one transaction, in bytes and in numbers (about 8 MB): they bound memory."""
_HEAD_BYTES = 4096
_TAIL_BYTES = 256


@dataclass(frozen=True)
class Reading:
    """A log that has been read to its end, with its rows."""

    size: int
    rows: FactRows
    parser: LogParser
    """The parser after `finish`."""


class LogFollower:
    """Reads the log of one attempt, and remembers how far."""

    def __init__(self, run_id: str, number: int, path: Path, reading: Reading | None = None) -> None:
        self.run_id = run_id
        self.number = number
        self._path = path
        self._reading = reading
        self._loaded = False
        self._stamp: Stamp | None = None
        self._parser = LogParser()
        self._offset = 0
        self._fingerprint = ""
        self._events = 0
        self._finished = False

    def update_index(self, store: Store, *, finish: bool) -> bool:
        """Read the new bytes and commit their rows. The run's row must exist.

        Args:
            finish: the log is complete, so its last line counts even without a line feed.

        Returns:
            Whether anything was written.
        """
        stamp = stamp_of(self._path)
        if self._loaded and stamp == self._stamp and (self._finished or not finish):
            return False
        if not self._loaded:
            self._load(store)
        written = False
        try:
            with open_log(self._path) as file:
                written = finish and self._adopt(store, file)
                while self._read_some(store, file, finish):
                    written = True
        except FileNotFoundError:
            if self._offset:
                self._restart(store)
                written = True
        self._stamp = stamp
        return written

    def _load(self, store: Store) -> None:
        """Load the position that was committed last."""
        with store.reading() as connection:
            position = reading_position(connection, self.run_id, self.number)
        self._loaded = True
        if position is None:
            return
        offset, fingerprint_, finished, state, events = position
        parser = LogParser.restore(json.loads(state))
        if parser is None:
            self._restart(store)
            return
        self._parser = parser
        self._offset, self._fingerprint, self._finished, self._events = offset, fingerprint_, finished, events

    def _adopt(self, store: Store, file: BinaryIO) -> bool:
        """Commit the rows of an earlier reading, if nothing has been read yet and the log has the same length."""
        reading, self._reading = self._reading, None
        if reading is None or self._offset or self._finished or os.fstat(file.fileno()).st_size != reading.size:
            return False
        self._parser = reading.parser
        with store.writing(self.run_id) as connection:
            self._commit(connection, reading.rows, reading.size, fingerprint(file, reading.size), True)
        return True

    def _read_some(self, store: Store, file: BinaryIO, finish: bool) -> bool:
        """Read and commit at most `_COMMIT_BYTES` or `_COMMIT_CELLS`; return False when there is nothing new."""
        size = os.fstat(file.fileno()).st_size
        grown_after_the_end = self._finished and size != self._offset
        if grown_after_the_end or size < self._offset or fingerprint(file, self._offset) != self._fingerprint:
            self._restart(store)
        file.seek(self._offset)
        rows = FactRows()
        read = 0
        while read < _COMMIT_BYTES and rows.cells < _COMMIT_CELLS and (chunk := file.read(_READ_BYTES)):
            rows.add(self._parser.feed(chunk))
            read += len(chunk)
        ends = finish and not self._finished and self._offset + read >= size
        if not read and not ends:
            return False
        if ends:
            rows.add(self._parser.finish())
        with store.writing(self.run_id) as connection:
            self._commit(connection, rows, self._offset + read, fingerprint(file, self._offset + read), ends)
        return read > 0 and not ends

    def _commit(self, connection: Connection, rows: FactRows, offset: int, print_: str, finished: bool) -> None:
        progress = progress_fields(self._parser.progress)
        attempt = Attempt(
            run_id=self.run_id,
            number=self.number,
            offset=offset,
            fingerprint=print_,
            finished=finished,
            parser=to_json(self._parser.state()),
            lines=self._parser.lines,
            not_understood=self._parser.not_understood,
            events=self._events + len(rows.events),
            progress=to_json(progress) if progress else None,
        )
        write_attempt(connection, attempt)
        if rows.is_empty:
            refresh_progress(connection, self.run_id)
        else:
            write_facts(connection, self.run_id, self.number, rows, self._events)
            # Before the first piece of a log there may have been rows of another log in its place.
            refresh_summary(connection, self.run_id, rows.changed_epochs if self._offset else None)
        self._offset, self._fingerprint, self._finished, self._events = offset, print_, finished, attempt.events

    def _restart(self, store: Store) -> None:
        """Delete the rows and read from the start: the log was replaced, or the parser's version has changed."""
        with store.writing(self.run_id) as connection:
            clear_attempt(connection, self.run_id, self.number)
        self._parser = LogParser()
        self._offset, self._fingerprint, self._events, self._finished = 0, "", 0, False


def fingerprint(file: BinaryIO, offset: int) -> str:
    """Return the SHA-256 of the first bytes of a log and the last ones before the offset; empty at offset 0."""
    if offset == 0:
        return ""
    file.seek(0)
    head = file.read(min(offset, _HEAD_BYTES))
    start = max(offset - _TAIL_BYTES, 0)
    file.seek(start)
    return hashlib.sha256(head + file.read(offset - start)).hexdigest()
