"""Opening the database to read it. Never creates, migrates or locks it: whoever writes does that."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db.migrations import HEAD
from db.revision import connect_read_only, revision_of, unreadable


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection whose statements all see the database as it was at the first of them.

    Yields None where there is nothing to read yet: the file is absent, empty, or of an older version, which the indexer
    migrates.

    Raises:
        YoloqatError: it is no database of ours, one that a newer version has written, or cannot be read at present.
    """
    if not path.exists():
        yield None
        return
    try:
        connection = connect_read_only(path)
    except sqlite3.OperationalError as error:
        raise unreadable(path, error) from error
    with contextlib.closing(connection):
        if revision_of(connection, path) != HEAD:
            yield None
            return
        connection.execute("BEGIN")
        yield connection


def named_rows(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...] = ()) -> Iterator[sqlite3.Row]:
    """Return rows whose cells are found by their columns' names."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return iter(cursor.execute(statement, values))


def data_version(path: Path) -> int:
    """Return a number that changes when the database does. Two `stat` calls, so that it can be asked for often."""
    stamp = 0
    for file in (path, path.with_name(f"{path.name}-wal")):
        with contextlib.suppress(OSError):
            status = file.stat()
            # An empty write-ahead log comes and goes with every reader.
            if status.st_size:
                stamp = hash((stamp, status.st_size, status.st_mtime_ns, status.st_ino))
    return stamp
