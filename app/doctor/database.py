"""Check the index of the workspace."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from app.doctor.finding import Finding, Level
from engine.contracts.errors import YoloqatError

_REBUILD = "Rebuild it from the run folders: yoloqat reindex"


def check_database(database: Path) -> Iterator[Finding]:
    """Check the revision, and run SQLite's integrity check."""
    from db.revision import damages, stored_revision

    if not database.exists():
        yield Finding(Level.OK, "database", "none yet: created with the first run")
        return
    try:
        stored_revision(database)
        damaged = damages(database)
    except YoloqatError as error:
        yield Finding(Level.PROBLEM, "database", error.what, error.hint or _REBUILD)
        return
    except sqlite3.Error as error:
        yield Finding(Level.PROBLEM, "database", f"cannot read it: {error}", _REBUILD)
        return
    if damaged:
        yield Finding(Level.PROBLEM, "database", f"damaged: {'; '.join(damaged)}", _REBUILD)
    else:
        yield Finding(Level.OK, "database", "sound")
