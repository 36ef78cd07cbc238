"""Putting a freshly built database in the place of the one that is open elsewhere."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from db.revision import BUSY_SECONDS, damages, stored_revision, unreadable
from engine.contracts.errors import YoloqatError


def usable(path: Path) -> bool:
    """Return whether a database of ours is there that can be overwritten in place; False for a file that is none or
    damaged.

    Raises:
        YoloqatError: a newer version has written it, or it cannot be read at present.
    """
    if not path.exists():
        return False
    try:
        stored_revision(path)
        return not damages(path)
    except sqlite3.OperationalError as error:
        raise unreadable(path, error) from error
    except sqlite3.Error:
        return False
    except YoloqatError as error:
        if error.hint and "reindex" in error.hint:
            return False
        raise


def replace_database(fresh: Path, target: Path, *, in_place: bool) -> Path | None:
    """Give `target` the content of `fresh`.

    In place, the pages are copied in one transaction, so that whoever has the file open sees the new rows. Swapping the
    files would leave them on the old one, and its write-ahead log beside the new one.

    Returns:
        Where the unusable file that was there before lies now; None when there was none.
    """
    backup_path = None
    if not in_place and target.exists():
        backup_path = target.with_name(f"{target.name}.{time.strftime('%Y%m%d-%H%M%S')}.unusable")
        target.replace(backup_path)
        for suffix in ("-wal", "-shm"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(fresh, timeout=BUSY_SECONDS)) as source,
        closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as destination,
    ):
        source.backup(destination)
    return backup_path
