"""The summary of a run: what the list shows of its epochs and evaluations."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from db.fact_rows import Cell
from db.results import newest_epochs, numbers_by_epoch
from db.tables import RunSummary
from db.writer import write_summary

MAIN_METRIC = "mAP@.5:.95"
_RECENT = 5
"""Epochs whose time tells how long the next ones will take."""


def refresh_summary(connection: Connection, run_id: str) -> None:
    """Write the summary of a run anew, from its other rows."""
    attempts = connection.exec_driver_sql(
        "SELECT number, not_understood, progress FROM attempt WHERE run_id = ? ORDER BY number", (run_id,)
    ).fetchall()
    epochs = newest_epochs(connection, run_id)
    metrics = numbers_by_epoch(connection, run_id, epochs, MAIN_METRIC, "seconds")
    best_epoch, best = _best_epoch(metrics)
    if best is None or _kept_its_input(connection, run_id):
        best_epoch, best = None, _last_evaluation(connection, run_id) or best
    times = [row["seconds"][1] or 0.0 for row in metrics.values() if "seconds" in row][-_RECENT:]
    newest = max(epochs, key=lambda epoch: (epochs[epoch][0], epoch), default=None)
    first = first_epoch(connection, run_id)
    total = _epochs_total(connection, run_id)
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
        log_seconds=_seconds_by_log(connection, run_id),
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


def _kept_its_input(connection: Connection, run_id: str) -> bool:
    """Whether fine-tuning ended with the model that it began with, because no epoch was better."""
    kept = connection.exec_driver_sql(
        "SELECT json_extract(details, '$.kept') FROM run WHERE id = ?", (run_id,)
    ).scalar_one_or_none()
    return kept == "PTQ"


def _last_evaluation(connection: Connection, run_id: str) -> Cell | None:
    row = connection.exec_driver_sql(
        "SELECT text, value, source FROM evaluation_metric WHERE run_id = ? AND class_name = '' AND key = ?"
        " ORDER BY attempt DESC, number DESC LIMIT 1",
        (run_id, MAIN_METRIC),
    ).fetchone()
    return (row[0], row[1], row[2]) if row else None


def _events(connection: Connection, run_id: str, kind: str) -> Sequence[Mapping[str, Any]]:
    """The newest payload of a kind, if there is one."""
    rows = connection.exec_driver_sql(
        "SELECT payload FROM event WHERE run_id = ? AND kind = ? ORDER BY attempt DESC, ordinal DESC LIMIT 1",
        (run_id, kind),
    )
    return [json.loads(payload) for (payload,) in rows]


def _epochs_total(connection: Connection, run_id: str) -> int | None:
    """What was announced before the first epoch ended."""
    return next((int(payload["epochs"]) for payload in _events(connection, run_id, "training started")), None)


def first_epoch(connection: Connection, run_id: str) -> int:
    """What the log counts epochs from: 0 as YOLOv7 does, or 1."""
    return told_first_epoch(connection, run_id) or 0


def told_first_epoch(connection: Connection, run_id: str) -> int | None:
    """The same; None where the log does not tell it."""
    return next((int(payload["first_epoch"]) for payload in _events(connection, run_id, "log format")), None)


def _seconds_by_log(connection: Connection, run_id: str) -> float | None:
    hours = next((payload["hours"] for payload in _events(connection, run_id, "training completed")), None)
    return round(float(hours) * 3600, 3) if hours is not None else None


def eta_seconds(summary: Mapping[str, Any], progress: Mapping[str, Any] | None) -> float | None:
    """Time to the end: of the epochs that are left, or of the bar where there are none.

    Args:
        summary: epochs_done, epochs_total, epoch_seconds.
        progress: fields of the newest bar.
    """
    done, total, per_epoch = summary["epochs_done"], summary["epochs_total"], summary["epoch_seconds"]
    training = progress is not None and progress["phase"] == "train"
    if not total:
        remaining: float | None = progress["remaining_seconds"] if progress else None
        return remaining
    elapsed = (progress["elapsed_seconds"] or 0.0) if progress is not None and training else 0.0
    if per_epoch is None and progress is not None and training and progress["remaining_seconds"] is not None:
        per_epoch = elapsed + progress["remaining_seconds"]
    if per_epoch is None:
        return None
    first = (progress["last_epoch"] or 0) + 1 - total if progress is not None else 0  # 1 where epochs count from 1
    running = training and progress is not None and progress["epoch"] == done + max(0, min(1, first))
    left: float = per_epoch * (total - (done or 0)) - (elapsed if running else 0.0)
    return max(left, 0.0)
