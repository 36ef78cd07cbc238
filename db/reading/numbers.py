"""Epochs of a run and their numbers: the newest attempt's, covered by those of files of results beside the log."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Cell = tuple[str, float | None, str]
"""Text and value of a number, and where it came from: `log`, `result.json`, or the dialect of a file of results."""


ALL = -(1 << 63)
"""Before the first epoch."""
_IN_ANY_ATTEMPT = "run_id = ? AND attempt IN (SELECT number FROM attempt WHERE run_id = ?) AND epoch >= ?"
"""By this SQLite finds the epochs of each attempt by its key, and looks at no earlier ones."""


def newest_epochs(connection: sqlite3.Connection, run_id: str, since: int = ALL) -> dict[int, tuple[int, int]]:
    """Return epoch → the newest attempt that ran it, and the number after the slash; in their order.

    A file of results tells of epochs before the last one, too, that the log has lost.

    Args:
        since: the first epoch to look at.
    """
    rows = connection.execute(
        f"SELECT epoch, max(attempt), last_epoch FROM epoch WHERE {_IN_ANY_ATTEMPT} GROUP BY epoch ORDER BY epoch",
        (run_id, run_id, since),
    )
    logged = {int(epoch): (int(attempt), int(last)) for epoch, attempt, last in rows}
    stored = connection.execute(
        "SELECT DISTINCT epoch FROM results_metric WHERE run_id = ? AND epoch >= ?", (run_id, since)
    )
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
    connection: sqlite3.Connection,
    run_id: str,
    epochs: Mapping[int, tuple[int, int]],
    *keys: str,
    since: int = ALL,
) -> dict[int, dict[str, Cell]]:
    """Return the numbers of each epoch, as its newest attempt or a file of results tells them.

    Args:
        epochs: of `newest_epochs`; numbers of other epochs, which have no row of their own, are those of any attempt.
        keys: only these names.
        since: the first epoch to look at.
    """
    cells_by_epoch: dict[int, dict[str, Cell]] = {}
    logged = _rows(connection, "epoch, attempt, key", f"metric WHERE {_IN_ANY_ATTEMPT}", (run_id, run_id, since), keys)
    for epoch, attempt, key, *cell in logged:
        if epoch not in epochs or attempt == epochs[epoch][0]:
            cells_by_epoch.setdefault(epoch, {})[key] = (cell[0], cell[1], cell[2])
    stored = _rows(connection, "epoch, key", "results_metric WHERE run_id = ? AND epoch >= ?", (run_id, since), keys)
    for epoch, key, *cell in stored:
        if epoch in epochs:
            cells_by_epoch.setdefault(epoch, {})[key] = (cell[0], cell[1], cell[2])
    return dict(sorted(cells_by_epoch.items()))


def newest_attempts_last_epoch(connection: sqlite3.Connection, run_id: str) -> int | None:
    """Return the last epoch of the newest attempt that has any."""
    row = connection.execute(
        "SELECT epoch FROM epoch WHERE run_id = ? ORDER BY attempt DESC, epoch DESC LIMIT 1", (run_id,)
    ).fetchone()
    return None if row is None else int(row[0])


def _rows(
    connection: sqlite3.Connection, place: str, source: str, values: tuple[object, ...], keys: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    among = f" AND key IN ({', '.join('?' * len(keys))})" if keys else ""
    statement = f"SELECT {place}, text, value, source FROM {source}{among} ORDER BY {place}"
    return iter(connection.execute(statement, (*values, *keys)))
