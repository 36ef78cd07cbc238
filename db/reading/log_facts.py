"""Single facts of a run's logs, for whoever decides something by them."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

LogEvent = tuple[int, str, dict[str, Any]]
"""Attempt, kind and payload."""


def log_events(connection: sqlite3.Connection, run_id: str, kinds: Sequence[str]) -> list[LogEvent]:
    """Return the events of these kinds, in the order of the logs."""
    rows = connection.execute(
        f"SELECT attempt, kind, payload FROM event WHERE run_id = ? AND kind IN ({', '.join('?' * len(kinds))})"
        " ORDER BY attempt, ordinal",
        (run_id, *kinds),
    )
    return [(attempt, kind, json.loads(payload)) for attempt, kind, payload in rows]


def newest_event(connection: sqlite3.Connection, run_id: str, kind: str) -> dict[str, Any] | None:
    """Return the payload of the newest event of a kind."""
    row = connection.execute(
        "SELECT payload FROM event WHERE run_id = ? AND kind = ? ORDER BY attempt DESC, ordinal DESC LIMIT 1",
        (run_id, kind),
    ).fetchone()
    return json.loads(row[0]) if row else None


def first_epoch(connection: sqlite3.Connection, run_id: str) -> int | None:
    """Return what the log counts epochs from, 0 as YOLOv7 does or 1; None where it does not tell it."""
    payload = newest_event(connection, run_id, "log format")
    return int(payload["first_epoch"]) if payload else None


def newest_bar(connection: sqlite3.Connection, run_id: str) -> dict[str, Any] | None:
    """Return where the newest attempt's last bar stood."""
    row = connection.execute(
        "SELECT progress FROM attempt WHERE run_id = ? ORDER BY number DESC LIMIT 1", (run_id,)
    ).fetchone()
    return json.loads(row[0]) if row and row[0] else None


def attempt_numbers(connection: sqlite3.Connection, run_id: str) -> list[int]:
    """Return the attempts whose logs have been read, oldest first."""
    rows = connection.execute("SELECT number FROM attempt WHERE run_id = ? ORDER BY number", (run_id,))
    return [number for (number,) in rows]


def metric_names(connection: sqlite3.Connection, run_id: str) -> list[str]:
    """Return the names of all numbers that epochs have."""
    return [key for (key,) in connection.execute("SELECT DISTINCT key FROM metric WHERE run_id = ?", (run_id,))]


def is_evaluated(connection: sqlite3.Connection, run_id: str) -> bool:
    """Return whether there is an evaluation."""
    row = connection.execute("SELECT EXISTS (SELECT 1 FROM evaluation WHERE run_id = ?)", (run_id,)).fetchone()
    return bool(row[0])


def has_results_files(connection: sqlite3.Connection, run_id: str) -> bool:
    """Return whether there is a row of a file of results."""
    row = connection.execute("SELECT EXISTS (SELECT 1 FROM results_file WHERE run_id = ?)", (run_id,)).fetchone()
    return bool(row[0])


def epoch_counts(connection: sqlite3.Connection, run_id: str) -> tuple[int | None, int | None]:
    """Return how many epochs are done and planned, by the summary."""
    row = connection.execute("SELECT epochs_done, epochs_total FROM run_summary WHERE run_id = ?", (run_id,)).fetchone()
    return (row[0], row[1]) if row else (None, None)
