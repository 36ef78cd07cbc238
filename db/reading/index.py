"""What the index knows of each run folder: enough to tell whether it is current."""

import sqlite3
from dataclasses import dataclass

from db.views import NEVER, IndexVersion
from engine.contracts.states import RunState


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """How far a run folder has been read."""

    stamps: str
    """Its files when all that an ended run left had been read; empty before."""
    state: RunState
    attempt: int
    offset: int
    """Bytes of the newest attempt's log that have been read."""


@dataclass(frozen=True, slots=True)
class Index:
    """What the index knows of the run folders."""

    version: IndexVersion
    runs: dict[str, IndexedRun]
    broken: dict[str, str]
    """Run id → stamps of the files that could not be read: there is nothing to wait for before they change."""


NOTHING = Index(NEVER, {}, {})


def read_index(connection: sqlite3.Connection, run_id: str | None = None) -> Index:
    """Return the index of all runs, or of one."""
    where, values = ("WHERE run.id = ?", (run_id,)) if run_id is not None else ("", ())
    rows = connection.execute(
        'SELECT run.id, run.stamps, run.state, run.attempt, coalesce(attempt."offset", 0) FROM run'
        f" LEFT JOIN attempt ON attempt.run_id = run.id AND attempt.number = run.attempt {where}",
        values,
    )
    runs = {key: IndexedRun(stamps, RunState(state), attempt, offset) for key, stamps, state, attempt, offset in rows}
    broken = connection.execute("SELECT run_id, stamps FROM broken_run").fetchall()
    return Index(index_version(connection), runs, dict(broken))


def index_version(connection: sqlite3.Connection) -> IndexVersion:
    """Return the version that the database is at."""
    generation, number = connection.execute("SELECT generation, number FROM index_state").fetchone()
    return IndexVersion(generation, number)


def settled_stamps(connection: sqlite3.Connection) -> dict[str, tuple[str, RunState]]:
    """Run id → stamps and state, of all runs."""
    rows = connection.execute("SELECT id, stamps, state FROM run")
    return {run_id: (stamps, RunState(state)) for run_id, stamps, state in rows}


def reading_position(
    connection: sqlite3.Connection, run_id: str, attempt: int
) -> tuple[int, str, bool, str, int] | None:
    """Return offset, fingerprint, whether it is finished, the parser's state and the number of events of a log."""
    row = connection.execute(
        'SELECT "offset", fingerprint, finished, parser, events FROM attempt WHERE run_id = ? AND number = ?',
        (run_id, attempt),
    ).fetchone()
    return None if row is None else (int(row[0]), row[1], bool(row[2]), row[3], int(row[4]))


def count_rows(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Return the counts of runs, epochs and evaluations."""
    runs, epochs, evaluations = connection.execute(
        "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM epoch), (SELECT count(*) FROM evaluation)"
    ).fetchone()
    return runs, epochs, evaluations
