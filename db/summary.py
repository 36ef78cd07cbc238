"""The summary of a run: what the list shows of its epochs and evaluations."""

import json
import sqlite3
from collections.abc import Mapping

from sqlalchemy import Connection

from db.open import file_connection
from db.reading.log_facts import first_epoch, newest_event
from db.reading.numbers import Cell, newest_epochs, numbers_by_epoch
from db.tables import RunSummary
from db.writer import write_summary

MAIN_METRIC = "mAP@.5:.95"
_RECENT = 5
"""Epochs whose time tells how long the next ones will take."""


def refresh_summary(connection: Connection, run_id: str) -> None:
    """Write the summary of a run anew, from its other rows."""
    file = file_connection(connection)
    attempts = file.execute(
        "SELECT number, not_understood, progress FROM attempt WHERE run_id = ? ORDER BY number", (run_id,)
    ).fetchall()
    epochs = newest_epochs(file, run_id)
    metrics = numbers_by_epoch(file, run_id, epochs, MAIN_METRIC, "seconds")
    best_epoch, best = _best_epoch(metrics)
    if best is None or _left_input_unchanged(file, run_id):
        best_epoch, best = None, _last_evaluation(file, run_id) or best
    times = [row["seconds"][1] or 0.0 for row in metrics.values() if "seconds" in row][-_RECENT:]
    newest = max(epochs, key=lambda epoch: (epochs[epoch][0], epoch), default=None)
    first = first_epoch(file, run_id) or 0
    total = _epochs_total(file, run_id)
    if newest is not None:
        total = epochs[newest][1] + 1 - first
    summary = RunSummary(
        run_id=run_id,
        epochs_done=newest + 1 - first if newest is not None else 0 if total else None,
        epochs_total=total,
        epoch_seconds=sum(times) / len(times) if times else None,
        best_map_text=best[0] if best else None,
        best_map=best[1] if best else None,
        best_map_source=best[2] if best else None,
        best_epoch=best_epoch,
        map_curve=json.dumps([row[MAIN_METRIC][1] for row in metrics.values() if _is_rated(row)]),
        lines_not_understood=sum(int(row[1]) for row in attempts),
        log_seconds=_seconds_by_log(file, run_id),
        progress=attempts[-1][2] if attempts else None,
    )
    write_summary(connection, summary)


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


def _is_rated(row: Mapping[str, Cell]) -> bool:
    return MAIN_METRIC in row and row[MAIN_METRIC][1] is not None


def _best_epoch(metrics: Mapping[int, Mapping[str, Cell]]) -> tuple[int | None, Cell | None]:
    """The first of the epochs with the highest mAP@.5:.95."""
    rated = {epoch: row[MAIN_METRIC] for epoch, row in metrics.items() if _is_rated(row)}
    best = max(rated, key=lambda epoch: rated[epoch][1] or 0.0, default=None)
    return best, rated[best] if best is not None else None


def _left_input_unchanged(connection: sqlite3.Connection, run_id: str) -> bool:
    """Whether fine-tuning ended with the model that it began with, because no epoch was better."""
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
    """What was announced before the first epoch ended."""
    payload = newest_event(connection, run_id, "training started")
    return int(payload["epochs"]) if payload else None


def _seconds_by_log(connection: sqlite3.Connection, run_id: str) -> float | None:
    payload = newest_event(connection, run_id, "training completed")
    return round(float(payload["hours"]) * 3600, 3) if payload else None
