"""Which version of this program wrote a database; told without loading anything but SQLite."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from db.migrations import REVISIONS
from engine.contracts.errors import YoloqatError

BUSY_SECONDS = 15.0
"""How long a statement waits for another process's transaction."""


class NewerDatabaseError(YoloqatError):
    """A newer version of this program has written the database."""


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Return a connection that can change nothing. Transactions are begun by hand.

    Raises:
        YoloqatError: the path is no regular file: SQLite would wait at a FIFO for ever.
    """
    if not path.is_file():
        raise _foreign(path, "it is no regular file")
    uri = f"file:{quote(str(path))}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def stored_revision(path: Path) -> str | None:
    """Return the revision of the database's tables; None when there are none yet. Changes nothing.

    Raises:
        YoloqatError: it is no database of ours, one that a newer version has written, or cannot be read at present.
    """
    if not path.exists():
        return None
    try:
        connection = connect_read_only(path)
    except sqlite3.OperationalError as error:
        raise unreadable(path, error) from error
    with closing(connection):
        return revision_of(connection, path)


def revision_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """Return what `stored_revision` does, of an open database.

    Raises:
        YoloqatError: as `stored_revision`.
    """
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if "alembic_version" not in tables:
            raise _foreign(path, "it holds other tables")
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        raise unreadable(path, error) from error
    except sqlite3.Error as error:
        raise _foreign(path, str(error)) from error
    revision = str(row[0]) if row else None
    if revision is None:
        raise _foreign(path, "it tells no version")
    if revision not in REVISIONS:
        raise NewerDatabaseError(
            f"a newer version of yoloqat has written this database (revision {revision}, known up to {REVISIONS[-1]})",
            where=str(path),
            hint="Upgrade yoloqat, or choose another workspace with --workspace. Nothing has been changed.",
        )
    return revision


def damages(path: Path) -> list[str]:
    """Return what SQLite's own check of the file finds, three things at most; nothing where the file is sound."""
    with closing(connect_read_only(path)) as connection:
        check_messages = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    return [] if check_messages == ["ok"] else check_messages


def unreadable(path: Path, error: sqlite3.OperationalError) -> YoloqatError:
    """Return the error of a database that another process locks, or that a disk or a permission keeps closed."""
    return YoloqatError(
        f"the database cannot be read: {error}",
        where=str(path),
        hint="Try again in a minute; if that does not help, look at the disk and at the file's permissions.",
    )


def _foreign(path: Path, why: str) -> YoloqatError:
    return YoloqatError(
        f"this is not a database of yoloqat: {why}",
        where=str(path),
        hint="`yoloqat reindex` builds a new one from the run folders and keeps this file under another name.",
    )
