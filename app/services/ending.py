"""How a log ended, in words, where no process can be asked any more."""

import json

from sqlalchemy import Connection

from db.summary import first_epoch

_TELLING = ("training started", "training completed", "crash", "out of memory", "early stop", "benchmark")
_UNPLANNED = ("results.csv", "tensorboard")
"""Formats that do not tell how many epochs were planned."""


def log_ending(connection: Connection, run_id: str) -> str:
    """What the log of an imported run shows: complete, interrupted, crashed, out of memory, cut off."""
    rows = connection.exec_driver_sql(
        f"SELECT kind, payload FROM event WHERE run_id = ? AND kind IN ({', '.join('?' * len(_TELLING))})"
        " ORDER BY attempt, ordinal",
        (run_id, *_TELLING),
    )
    events = [(kind, json.loads(payload)) for kind, payload in rows]
    kind, payload = events[-1] if events else ("", {})
    done, total = _epochs(connection, run_id)
    if kind == "training completed":
        how = "stopped early" if len(events) > 1 and events[-2][0] == "early stop" else "complete"
        return f"{how}: {payload['epochs'] or done or 0} epochs in {payload['hours']} hours"
    if kind == "benchmark" and done is None:
        return "complete"
    if kind == "out of memory":
        return f"out of memory: {payload['message'][:200]}"
    if kind == "crash" and payload["error"].startswith("KeyboardInterrupt"):
        return f"interrupted{_where(connection, run_id)}"
    if kind == "crash":
        return f"crashed{_where(connection, run_id)}: {payload['error'][:200]}"
    if done is not None and _format(connection, run_id) in _UNPLANNED:
        return f"{done} epochs; how many were planned is not told"
    if (total is not None and done is not None and done < total) or kind == "training started":
        return f"cut off{_where(connection, run_id)}"
    return "no epochs" if done is None else "complete"


def _where(connection: Connection, run_id: str) -> str:
    done, total = _epochs(connection, run_id)
    if not total:
        return ""
    first = first_epoch(connection, run_id)
    return f" after epoch {done - 1 + first}/{total - 1 + first}" if done else " before the first epoch ended"


def _epochs(connection: Connection, run_id: str) -> tuple[int | None, int | None]:
    row = connection.exec_driver_sql(
        "SELECT epochs_done, epochs_total FROM run_summary WHERE run_id = ?", (run_id,)
    ).fetchone()
    return (row[0], row[1]) if row else (None, None)


def _format(connection: Connection, run_id: str) -> str:
    row = connection.exec_driver_sql(
        "SELECT json_extract(payload, '$.dialect') FROM event WHERE run_id = ? AND kind = 'log format'"
        " ORDER BY attempt DESC, ordinal DESC LIMIT 1",
        (run_id,),
    ).fetchone()
    return str(row[0]) if row else ""
