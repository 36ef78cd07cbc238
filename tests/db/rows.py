"""Rows for tests, and everything that a database holds."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from db.open import Store
from db.tables import Attempt, Run
from db.writer import write_attempt, write_run

Dump = dict[str, list[tuple[Any, ...]]]


CHANGES = ("index_state", "run_change", "epoch_change")
"""Tables that tell when rows were written, which a rebuilt database has done later."""


def dump(path: Path) -> Dump:
    """All rows of all tables but those of the change number, as another program sees them."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = [name for name in tables if name not in CHANGES]
        return {table: sorted(file.execute(f'SELECT * FROM "{table}"').fetchall(), key=repr) for table in tables}


def a_run(run_id: str, **changes: Any) -> Run:
    """The row of a run."""
    texts = {"stage": "command", "source": "imported", "created_at": "2026-01-02T03:04:05+00:00", "options": "{}"}
    more = {"command": "[]", "cwd": "", "notes": "", "state": "ended", "reason": "", "stopping": "", "details": "{}"}
    numbers = {"archived": False, "attempt": 1, "stalled": False}
    return Run(**{"id": run_id, "name": run_id, "stamps": "", **texts, **more, **numbers, **changes})


def an_attempt(run_id: str, number: int = 1, **changes: Any) -> Attempt:
    """The row of an attempt."""
    row = {"offset": 10, "fingerprint": "", "finished": False, "parser": "{}", "lines": 1, "not_understood": 0}
    return Attempt(**{"run_id": run_id, "number": number, "events": 0, **row, **changes})


def add_run(store: Store, run_id: str) -> None:
    """A run with one attempt."""
    with store.writing(run_id) as connection:
        write_run(connection, a_run(run_id), [], [])
        write_attempt(connection, an_attempt(run_id))
