"""The summary of a run: what the list shows of its epochs and evaluations."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from db.curve import Curve
from db.open import file_connection
from db.reading.log_facts import first_epoch, newest_event
from db.reading.numbers import ALL, Cell, newest_attempts_last_epoch, newest_epochs, numbers_by_epoch
from db.tables import RunSummary
from db.writer import write_summary

MAIN_METRIC = "mAP@.5:.95"
_RECENT = 5
"""Epochs whose time tells how long the next ones will take."""


@dataclass(frozen=True)
class _Rated:
    """What the epochs of a run tell of its mAP@.5:.95, up to the last one."""

    best_epoch: int | None = None
    best: Cell | None = None
    curve: Curve = field(default_factory=Curve)


def refresh_summary(connection: Connection, run_id: str, changed: Collection[int] | None = None) -> None:
    """Write the summary of a run anew, from its other rows.

    Args:
        changed: the epochs whose numbers have changed since it was written last, all others being as they were. Where
            they are the last ones, the earlier ones are not read. None where any may have changed.
    """
    file = file_connection(connection)
    attempts = file.execute(
        "SELECT number, not_understood, progress FROM attempt WHERE run_id = ? ORDER BY number", (run_id,)
    ).fetchall()
    earlier = _unchanged(file, run_id, changed) if changed is not None else None
    since = earlier.curve.end - _RECENT if earlier is not None else ALL
    epochs = newest_epochs(file, run_id, since)
    metrics = numbers_by_epoch(file, run_id, epochs, MAIN_METRIC, "seconds", since=since)
    rated = _with(earlier, metrics) if earlier is not None else None
    if earlier is not None and rated is None:
        refresh_summary(connection, run_id)
        return
    rated = rated or _rate(metrics)
    best_epoch, best = rated.best_epoch, rated.best
    if best is None or _left_input_unchanged(file, run_id):
        best_epoch, best = None, _last_evaluation(file, run_id) or best
    newest = max(epochs, key=lambda epoch: (epochs[epoch][0], epoch), default=None)
    first = first_epoch(file, run_id) or 0
    total = epochs[newest][1] + 1 - first if newest is not None else _epochs_total(file, run_id)
    curve = rated.curve
    summary = RunSummary(
        run_id=run_id,
        epochs_done=newest + 1 - first if newest is not None else 0 if total else None,
        epochs_total=total,
        epoch_seconds=_recent_seconds(metrics),
        best_map_text=best[0] if best else None,
        best_map=best[1] if best else None,
        best_map_source=best[2] if best else None,
        best_epoch=best_epoch,
        map_curve=curve.to_json(),
        curve_start=curve.start if curve.points else None,
        curve_step=curve.step if curve.points else None,
        curve_end=curve.end if curve.points else None,
        lines_not_understood=sum(int(row[1]) for row in attempts),
        log_seconds=_seconds_by_log(file, run_id),
        progress=attempts[-1][2] if attempts else None,
    )
    write_summary(connection, summary)


def _unchanged(connection: sqlite3.Connection, run_id: str, changed: Collection[int]) -> _Rated | None:
    """Return what the summary tells of the epochs before the changed ones; None where it does not tell of these
    alone.
    """
    row = connection.execute(
        "SELECT map_curve, curve_start, curve_step, curve_end, best_epoch, best_map_text, best_map, best_map_source"
        " FROM run_summary WHERE run_id = ?",
        (run_id,),
    ).fetchone()
    if row is None or row[3] is None or row[4] is None:
        return None
    points, start, step, end, best_epoch, *best = row
    last = newest_attempts_last_epoch(connection, run_id)
    if last is None or last < end or min(changed, default=end) < end:
        return None
    return _Rated(best_epoch, (best[0], best[1], best[2]), Curve(start, step, end, json.loads(points)))


def _with(earlier: _Rated, metrics: Mapping[int, Mapping[str, Cell]]) -> _Rated | None:
    """Return the same with the epochs since; None where the best one is not the best any more."""
    best_epoch, best, curve = earlier.best_epoch, earlier.best, earlier.curve
    end = curve.end
    for epoch, cell in _rated_cells(metrics):
        if epoch < end:
            continue
        curve.add(epoch, cell[1] or 0.0)
        if epoch == best_epoch:
            if best is None or (cell[1] or 0.0) < (best[1] or 0.0):
                return None
            best = cell
        elif best is None or (cell[1] or 0.0) > (best[1] or 0.0):
            best_epoch, best = epoch, cell
    return _Rated(best_epoch, best, curve)


def _rate(metrics: Mapping[int, Mapping[str, Cell]]) -> _Rated:
    """Summarise the mAP of all epochs; the best one is the first with the highest mAP@.5:.95."""
    cells = dict(_rated_cells(metrics))
    best = max(cells, key=lambda epoch: cells[epoch][1] or 0.0, default=None)
    curve = Curve.of((epoch, cell[1] or 0.0) for epoch, cell in cells.items())
    return _Rated(best, cells[best] if best is not None else None, curve)


def _rated_cells(metrics: Mapping[int, Mapping[str, Cell]]) -> Iterator[tuple[int, Cell]]:
    """Return the epochs that have one, in their order."""
    for epoch, row in metrics.items():
        cell = row.get(MAIN_METRIC)
        if cell is not None and cell[1] is not None:
            yield epoch, cell


def _recent_seconds(metrics: Mapping[int, Mapping[str, Cell]]) -> float | None:
    """Return the mean time of the last epochs."""
    last = max(metrics, default=0)
    times = [row["seconds"][1] or 0.0 for epoch, row in metrics.items() if "seconds" in row and epoch > last - _RECENT]
    return sum(times) / len(times) if times else None


def refresh_progress(connection: Connection, run_id: str) -> None:
    """Bring only the bar of the summary up to date, as nothing else has changed."""
    done = connection.exec_driver_sql(
        "UPDATE run_summary SET progress ="
        " (SELECT progress FROM attempt WHERE run_id = ? ORDER BY number DESC LIMIT 1), lines_not_understood ="
        " (SELECT sum(not_understood) FROM attempt WHERE run_id = ?) WHERE run_id = ?",
        (run_id, run_id, run_id),
    )
    if done.rowcount == 0:
        refresh_summary(connection, run_id)


def _left_input_unchanged(connection: sqlite3.Connection, run_id: str) -> bool:
    """Return whether fine-tuning ended with the model that it began with, because no epoch was better."""
    kept_row = connection.execute("SELECT json_extract(details, '$.kept') FROM run WHERE id = ?", (run_id,)).fetchone()
    return kept_row is not None and kept_row[0] == "PTQ"


def _last_evaluation(connection: sqlite3.Connection, run_id: str) -> Cell | None:
    row = connection.execute(
        "SELECT text, value, source FROM evaluation_metric WHERE run_id = ? AND class_name = '' AND key = ?"
        " ORDER BY attempt DESC, number DESC LIMIT 1",
        (run_id, MAIN_METRIC),
    ).fetchone()
    return (row[0], row[1], row[2]) if row else None


def _epochs_total(connection: sqlite3.Connection, run_id: str) -> int | None:
    """Return what was announced before the first epoch ended."""
    payload = newest_event(connection, run_id, "training started")
    return int(payload["epochs"]) if payload else None


def _seconds_by_log(connection: sqlite3.Connection, run_id: str) -> float | None:
    payload = newest_event(connection, run_id, "training completed")
    return round(float(payload["hours"]) * 3600, 3) if payload else None
