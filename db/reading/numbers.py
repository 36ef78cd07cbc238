"""Epochs of a run and their numbers: the newest attempt's, covered by those of files of results beside the log."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Cell = tuple[str, float | None, str]
"""Text and value of a number, and where it came from: `log`, `result.json`, or the dialect of a file of results."""


def newest_epochs(connection: sqlite3.Connection, run_id: str) -> dict[int, tuple[int, int]]:
    """Epoch → the newest attempt that ran it, and the number after the slash; in their order.

    A file of results tells of epochs before the last one, too, that the log has lost.
    """
    rows = connection.execute(
        "SELECT epoch, max(attempt), last_epoch FROM epoch WHERE run_id = ? GROUP BY epoch ORDER BY epoch", (run_id,)
    )
    logged = {int(epoch): (int(attempt), int(last)) for epoch, attempt, last in rows}
    stored = connection.execute("SELECT DISTINCT epoch FROM results_metric WHERE run_id = ?", (run_id,))
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
    connection: sqlite3.Connection, run_id: str, epochs: Mapping[int, tuple[int, int]], *keys: str
) -> dict[int, dict[str, Cell]]:
    """The numbers of each epoch, as its newest attempt or a file of results tells them.

    Args:
        epochs: of `newest_epochs`; numbers of other epochs, which have no row of their own, are those of any attempt.
        keys: only these names.
    """
    cells_by_epoch: dict[int, dict[str, Cell]] = {}
    for epoch, attempt, key, *cell in _rows(connection, "metric", "epoch, attempt, key", run_id, keys):
        if epoch not in epochs or attempt == epochs[epoch][0]:
            cells_by_epoch.setdefault(epoch, {})[key] = (cell[0], cell[1], cell[2])
    for epoch, key, *cell in _rows(connection, "results_metric", "epoch, key", run_id, keys):
        if epoch in epochs:
            cells_by_epoch.setdefault(epoch, {})[key] = (cell[0], cell[1], cell[2])
    return dict(sorted(cells_by_epoch.items()))


def _rows(
    connection: sqlite3.Connection, table: str, place: str, run_id: str, keys: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    among = f" AND key IN ({', '.join('?' * len(keys))})" if keys else ""
    statement = f"SELECT {place}, text, value, source FROM {table} WHERE run_id = ?{among} ORDER BY {place}"
    return iter(connection.execute(statement, (run_id, *keys)))
