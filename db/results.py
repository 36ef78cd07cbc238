"""Files of results beside logs: their numbers stand in tables of their own, and cover those of the log."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from db.changes import record_epochs
from db.reading.numbers import Cell
from db.rows_of_facts import LOG
from db.tables import ResultsFile, ResultsMetric
from db.writer import execute, upsert, write_rows

_METRIC = upsert(ResultsMetric)

Place = tuple[int, str]
"""Epoch and name of a number."""
Logged = dict[int, dict[str, str]]
"""Texts by epoch and name."""


def write_results(
    connection: Connection,
    run_id: str,
    files: Sequence[ResultsFile],
    cells: Mapping[Place, Cell],
    current_places: Collection[Place],
) -> None:
    """Bring what the files of results of a run tell up to date.

    Args:
        files: all of them.
        cells: the numbers that are new or have changed.
        current_places: all that there are now; others are deleted.
    """
    connection.exec_driver_sql("DELETE FROM results_file WHERE run_id = ?", (run_id,))
    write_rows(connection, ResultsFile, files)
    stored_places = connection.exec_driver_sql(
        "SELECT epoch, key FROM results_metric WHERE run_id = ?", (run_id,)
    ).fetchall()
    removed_places = [(run_id, epoch, key) for epoch, key in stored_places if (epoch, key) not in current_places]
    execute(connection, "DELETE FROM results_metric WHERE run_id = ? AND epoch = ? AND key = ?", removed_places)
    execute(connection, _METRIC, [(run_id, *place, *cell) for place, cell in cells.items()])
    record_epochs(connection, run_id, {epoch for epoch, _ in cells} | {epoch for _, epoch, _ in removed_places})


def logged_signature(connection: sqlite3.Connection, run_id: str) -> tuple[object, ...]:
    """Return a value that changes when the numbers of the logs do."""
    rows = connection.execute(
        "SELECT attempt, count(*), total(value) FROM metric WHERE run_id = ? GROUP BY attempt", (run_id,)
    )
    return tuple(tuple(row) for row in rows)


def logged_numbers(connection: sqlite3.Connection, run_id: str) -> dict[int, Logged]:
    """Return attempt → what its log tells of each epoch."""
    rows = connection.execute(
        "SELECT attempt, epoch, key, text FROM metric WHERE run_id = ? AND source = ?", (run_id, LOG)
    )
    numbers: dict[int, Logged] = {}
    for attempt, epoch, key, text in rows:
        numbers.setdefault(attempt, {}).setdefault(epoch, {})[key] = text
    return numbers
