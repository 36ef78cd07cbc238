"""Connections to the SQLite file, and how durable they are."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from db.revision import BUSY_SECONDS
from engine.files.mounts import NETWORK, Mount, mount_of


def connect(path: Path) -> Engine:
    """Return an engine on the file, as it is.

    Transactions are begun by hand: SQLAlchemy's own begin too late for reading.
    """
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
    """Return the pragmas for a file system.

    With a write-ahead log readers never wait for the writer, and a crash of the machine loses the last transactions but
    breaks nothing. Its shared memory does not reach other machines, so on a network file system there is none
    (sqlite.org/wal.html).
    """
    if mount is not None and mount.kind in NETWORK:
        return "journal_mode = DELETE", "synchronous = FULL"
    return "journal_mode = WAL", "synchronous = NORMAL"
