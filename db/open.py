"""Opening the database to write it: made when absent, brought up to date when old, left alone when newer."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine

from db.changes import record_change
from db.connect import connect
from db.migrations import HEAD
from db.revision import stored_revision


class Store:
    """An open database. May be used by several threads."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self.engine = engine

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Return a connection for `db.reading` whose statements all see the database as it was at the first of them."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield file_connection(connection)
            finally:
                connection.exec_driver_sql("COMMIT")

    @contextmanager
    def writing(self, run_id: str) -> Iterator[Connection]:
        """Return a connection that holds the write lock until the end of the block, then commits; or nothing happens.

        Args:
            run_id: the run whose rows are written. It gets a new change number, by which readers find it.
        """
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                record_change(connection, run_id)
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def file_connection(connection: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection, in the same transaction, for the queries of `db.reading`."""
    return cast(sqlite3.Connection, connection.connection.driver_connection)


def open_store(path: Path) -> Store:
    """Open the database, after making or migrating it where that is needed.

    Raises:
        YoloqatError: it is no database of ours, or one that a newer version has written.
    """
    revision = stored_revision(path)
    if revision != HEAD:
        from db.migrate import bring_up_to_date

        bring_up_to_date(path)
    return Store(path, connect(path))
