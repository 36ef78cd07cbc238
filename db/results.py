"""Files of results beside logs: their numbers stand in tables of their own, and cover those of the log."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from db.fact_rows import LOG, Cell
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
    known: Collection[Place],
) -> None:
    """Bring what the files of results of a run tell up to date.

    Args:
        files: all of them.
        cells: the numbers that are new or have changed.
        known: all that there are now: others are forgotten.
    """
    connection.exec_driver_sql("DELETE FROM results_file WHERE run_id = ?", (run_id,))
    write_rows(connection, ResultsFile, files)
    found = connection.exec_driver_sql("SELECT epoch, key FROM results_metric WHERE run_id = ?", (run_id,)).fetchall()
    gone = [(run_id, epoch, key) for epoch, key in found if (epoch, key) not in known]
    execute(connection, "DELETE FROM results_metric WHERE run_id = ? AND epoch = ? AND key = ?", gone)
    execute(connection, _METRIC, [(run_id, *place, *cell) for place, cell in cells.items()])


def logged_signature(connection: Connection, run_id: str) -> tuple[object, ...]:
    """Changes when the numbers of the logs do."""
    rows = connection.exec_driver_sql(
        "SELECT attempt, count(*), total(value) FROM metric WHERE run_id = ? GROUP BY attempt", (run_id,)
    )
    return tuple(tuple(row) for row in rows)


def logged_numbers(connection: Connection, run_id: str) -> dict[int, Logged]:
    """Attempt → what its log tells of each epoch."""
    rows = connection.exec_driver_sql(
        "SELECT attempt, epoch, key, text FROM metric WHERE run_id = ? AND source = ?", (run_id, LOG)
    )
    found: dict[int, Logged] = {}
    for attempt, epoch, key, text in rows:
        found.setdefault(attempt, {}).setdefault(epoch, {})[key] = text
    return found


def newest_epochs(connection: Connection, run_id: str) -> dict[int, tuple[int, int]]:
    """Epoch → the newest attempt that ran it, and the number after the slash; in their order.

    A file of results tells of epochs before the last one, too, that the log has lost.
    """
    rows = connection.exec_driver_sql(
        "SELECT epoch, max(attempt), last_epoch FROM epoch WHERE run_id = ? GROUP BY epoch ORDER BY epoch", (run_id,)
    )
    logged = {int(epoch): (int(attempt), int(last)) for epoch, attempt, last in rows}
    stored = connection.exec_driver_sql("SELECT DISTINCT epoch FROM results_metric WHERE run_id = ?", (run_id,))
    missing = sorted({int(epoch) for (epoch,) in stored} - logged.keys(), reverse=True)
    if not missing:
        return logged
    later = sorted(logged)
    for epoch in missing:
        following = next((other for other in later if other > epoch), None)
        if following is not None:
            logged[epoch] = logged[following]
    return dict(sorted(logged.items()))


def numbers_by_epoch(
    connection: Connection, run_id: str, epochs: Mapping[int, tuple[int, int]], *keys: str
) -> dict[int, dict[str, Cell]]:
    """The numbers of each epoch, as its newest attempt or a file of results tells them.

    Args:
        epochs: of `newest_epochs`; numbers of other epochs, which have no row of their own, are those of any attempt.
        keys: only these names.
    """
    found: dict[int, dict[str, Cell]] = {}
    for epoch, attempt, key, *cell in _rows(connection, "metric", "epoch, attempt, key", run_id, keys):
        if epoch not in epochs or attempt == epochs[epoch][0]:
            found.setdefault(epoch, {})[key] = (cell[0], cell[1], cell[2])
    for epoch, key, *cell in _rows(connection, "results_metric", "epoch, key", run_id, keys):
        if epoch in epochs:
            found.setdefault(epoch, {})[key] = (cell[0], cell[1], cell[2])
    return dict(sorted(found.items()))


def _rows(
    connection: Connection, table: str, place: str, run_id: str, keys: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    among = f" AND key IN ({', '.join('?' * len(keys))})" if keys else ""
    statement = f"SELECT {place}, text, value, source FROM {table} WHERE run_id = ?{among} ORDER BY {place}"
    return (tuple(row) for row in connection.exec_driver_sql(statement, (run_id, *keys)))
