"""Derive the outcome of an imported or watched log from its facts, as text."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from db.reading.log_facts import (
    epoch_counts,
    first_epoch,
    is_evaluated,
    log_events,
    metric_names,
    newest_bar,
    newest_event,
)
from db.reading.numbers import Cell, newest_epochs, numbers_by_epoch
from engine.logs.loss_names import is_loss

_OUTCOME_EVENTS = (
    "training started",
    "training completed",
    "crash",
    "process ended",
    "out of memory",
    "early stop",
    "benchmark",
)
_COMPLETED = "training completed"
_RESTARTED = "model summary"
"""The event after an error when the program was started again."""
_FORMATS_WITHOUT_TOTAL = ("results.csv", "tensorboard")
"""Formats that do not state the planned number of epochs."""


def describe_log_end(connection: sqlite3.Connection, run_id: str) -> str:
    """Return the outcome of a log: complete, interrupted, crashed, out of memory, cut off; and losses of nan."""
    events = [(kind, payload) for _, kind, payload in log_events(connection, run_id, (*_OUTCOME_EVENTS, _RESTARTED))]
    return _outcome(connection, run_id, events) + _nan_losses(connection, run_id)


def _outcome(connection: sqlite3.Connection, run_id: str, events: list[tuple[str, Any]]) -> str:
    is_restarted = bool(events) and events[-1][0] == _RESTARTED
    events = [event for event in events if event[0] != _RESTARTED]
    events = _without_afterword(events)
    kind, payload = events[-1] if events else ("", {})
    done, total = epoch_counts(connection, run_id)
    if kind == "training completed":
        outcome = "stopped early" if len(events) > 1 and events[-2][0] == "early stop" else "complete"
        return f"{outcome}: {payload['epochs'] or done or 0} epochs in {payload['hours']} hours"
    if kind == "benchmark" and done is None:
        return "complete"
    error = _error(kind, payload, _last_epoch_text(connection, run_id))
    if error and not is_restarted:
        return error
    if error:
        times = sum(event[0] == kind for event in events)
        count = f"{times} times " if times > 1 else ""
        bar = _bar(connection, run_id)
        is_complete = not bar and (is_evaluated(connection, run_id) if done is None else done >= (total or done))
        return f"{'complete' if is_complete else f'cut off{bar}'}; {count}before: {error}"
    if done is not None and _format(connection, run_id) in _FORMATS_WITHOUT_TOTAL:
        return f"{done} epochs; planned number unknown"
    if (total is not None and done is not None and done < total) or kind == "training started":
        return f"cut off{_last_epoch_text(connection, run_id)}"
    if done is not None or is_evaluated(connection, run_id):
        return "complete"
    bar = _bar(connection, run_id)
    return f"cut off{bar}" if bar else "no epochs"


def _without_afterword(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the events up to the end of the last training: a thread's exception after it does not unmake it."""
    kinds = [kind for kind, _ in events]
    if _COMPLETED not in kinds:
        return events
    last = len(kinds) - 1 - kinds[::-1].index(_COMPLETED)
    return events if "training started" in kinds[last:] else events[: last + 1]


def _error(kind: str, payload: Mapping[str, Any], where: str) -> str:
    """Return the error of an event; empty if it is none."""
    if kind == "out of memory":
        return f"out of memory: {payload['message'][:200]}"
    if kind == "process ended":
        return f"{payload['cause']}{where}"
    if kind != "crash":
        return ""
    if payload["error"].startswith("KeyboardInterrupt"):
        return f"interrupted{where}"
    return f"crashed{where}: {payload['error'][:200]}"


def _last_epoch_text(connection: sqlite3.Connection, run_id: str) -> str:
    done, total = epoch_counts(connection, run_id)
    if not total:
        return ""
    first = first_epoch(connection, run_id) or 0
    return f" after epoch {done - 1 + first}/{total - 1 + first}" if done else " before the first epoch ended"


def _bar(connection: sqlite3.Connection, run_id: str) -> str:
    """Return the position of the last progress bar; empty if there is none or it is finished."""
    bar = newest_bar(connection, run_id)
    if bar is None or bar["done"] >= bar["total"]:
        return ""
    phase = bar["phase"] if bar["epoch"] is None else f"epoch {bar['epoch']}/{bar['last_epoch']}"
    return f" in {phase}, {bar['done']} of {bar['total']}"


def _nan_losses(connection: sqlite3.Connection, run_id: str) -> str:
    """Return since which epoch all losses are nan up to the end; empty if they are not."""
    epochs, names = newest_epochs(connection, run_id), _loss_names(connection, run_id)
    last = numbers_by_epoch(connection, run_id, epochs, *names, since=max(epochs, default=0)) if names else {}
    if last and not any(_is_nan(row) for row in last.values()):
        return ""  # the usual case, without reading the earlier epochs
    since = None
    for epoch, row in numbers_by_epoch(connection, run_id, epochs, *names).items() if names else ():
        since = (epoch if since is None else since) if _is_nan(row) else None
    if since is None:
        return ""
    return ", all losses nan" if since == min(epochs) else f", losses nan since epoch {since}"


def _is_nan(losses: Mapping[str, Cell]) -> bool:
    return bool(losses) and all(text.lower().endswith("nan") for text, _, _ in losses.values())


def _loss_names(connection: sqlite3.Connection, run_id: str) -> list[str]:
    return [name for name in metric_names(connection, run_id) if is_loss(name)]


def _format(connection: sqlite3.Connection, run_id: str) -> str:
    payload = newest_event(connection, run_id, "log format")
    return str(payload["dialect"]) if payload else ""
