"""Opening the database: made when absent, brought up to date when old, left alone when newer than this program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from db.connect import connect
from db.migrations import HEAD
from db.revision import stored_revision


class Store:
    """An open database. May be used by several threads."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self.engine = engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose statements all see the database as it was at the first of them."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection that holds the write lock until the end of the block, then commits; or nothing happens."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


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
