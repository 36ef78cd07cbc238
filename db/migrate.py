"""Making the database, and bringing an old one up to date. Loaded only when there is something to do."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

import db.migrations
from db.connect import connect
from db.migrations import HEAD
from db.revision import stored_revision
from engine.contracts.errors import YoloqatError
from engine.files.safe_open import open_lock

FOLDER = Path(db.migrations.__file__).parent


def bring_up_to_date(path: Path) -> None:
    """Run the migrations that the database lacks, all or none, after keeping a copy of it beside it.

    Raises:
        YoloqatError: it is no database of ours, a newer version has written it, or it cannot be written.
    """
    try:
        with _alone(path):
            revision = stored_revision(path)
            if revision == HEAD:
                return
            if revision is not None:
                copy_to(path, path.with_name(f"{path.name}.before-{HEAD}"))
            _upgrade(path)
    except (OSError, sqlite3.Error) as error:
        raise YoloqatError(f"cannot write the database: {error}", where=str(path)) from error


def copy_to(source: Path, target: Path) -> None:
    """Copy a database consistently, with what its write-ahead log holds."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _upgrade(path: Path) -> None:
    engine = connect(path)
    try:
        with engine.connect() as connection:
            # Copying a table while another one refers to it must not delete the rows that refer to it.
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                command.upgrade(alembic_config(connection), "head")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock for the block: of two programs that start at once, one migrates and the other waits."""
    lock = open_lock(path.with_name(f"{path.name}.lock"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
