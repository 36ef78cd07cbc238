"""Opening the database: made when absent, brought up to date when old, left alone when newer than this program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from db.migrations import HEAD
from db.revision import BUSY_SECONDS, stored_revision


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


def connect(path: Path) -> Engine:
    """An engine on the file, as it is. Transactions are begun by hand: SQLAlchemy's own begin too late for reading."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": BUSY_SECONDS},
    )
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: Any, _record: Any) -> None:
    """Readers never wait for the writer, and a crash of the machine loses the last transactions but breaks nothing."""
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
