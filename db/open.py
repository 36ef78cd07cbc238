"""Opening the database: made when absent, brought up to date when old, left alone when newer than this program."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from db.migrations import HEAD
from db.revision import BUSY_SECONDS, stored_revision
from engine.contracts.mounts import NETWORK, Mount, mount_of


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
    pragmas = (*durability(mount_of(path)), "foreign_keys = ON")

    def configure(connection: Any, _record: Any) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", configure)
    return engine


def durability(mount: Mount | None) -> tuple[str, str]:
    """The pragmas for a file system.

    With a write-ahead log readers never wait for the writer, and a crash of the machine loses the last transactions but
    breaks nothing. Its shared memory does not reach other machines, so on a network file system there is none
    (sqlite.org/wal.html).
    """
    if mount is not None and mount.kind in NETWORK:
        return "journal_mode = DELETE", "synchronous = FULL"
    return "journal_mode = WAL", "synchronous = NORMAL"
