"""Rows of the table of runs, as `RunView`, and what has changed of them since a version of the index."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from db.reading.database import named_rows
from db.reading.eta import eta_seconds
from db.reading.index import index_version
from db.views import IndexVersion, Number, RunView
from engine.contracts.facts import Progress
from engine.contracts.states import RunState

_COLUMNS = """
    run.id, run.name, run.stage, run.state, run.reason, run.created_at, run.started_at, run.ended_at, run.seconds,
    run.attempt, run.stalled, run.stopping, run.handed_to, run.gpus_outside_lease, run."group", run.pipeline, run.step,
    run.source, run.archived, run.notes,
    run_summary.epochs_done, run_summary.epochs_total, run_summary.epoch_seconds, run_summary.best_map_text,
    run_summary.best_map, run_summary.best_map_source, run_summary.best_epoch, run_summary.map_curve,
    run_summary.curve_step,
    run_summary.lines_not_understood, run_summary.log_seconds, run_summary.progress
"""
_LIVE = tuple(state.value for state in RunState if state.is_live)
_RUNS = f"SELECT {_COLUMNS} FROM run LEFT JOIN run_summary ON run_summary.run_id = run.id"


@dataclass(frozen=True, slots=True)
class StoredChanges:
    """What the database tells that has changed since a version."""

    version: IndexVersion
    """The version that the database is at now."""
    complete: bool
    """Whether these are all runs, because the version that was asked for is of another generation or none."""
    runs: list[RunView]
    """Those that have changed, and all that live."""
    removed: list[str]
    ids: frozenset[str]
    """Of all runs that have a row."""


def list_runs(connection: sqlite3.Connection) -> list[RunView]:
    """Return all runs, in the order of their ids."""
    return list(_views(connection, "ORDER BY run.id", ()))


def get_run(connection: sqlite3.Connection, run_id: str) -> RunView | None:
    """Return one run; None if it does not exist."""
    return next(iter(_views(connection, "WHERE run.id = ?", (run_id,))), None)


def runs_changed_since(connection: sqlite3.Connection, since: IndexVersion) -> StoredChanges:
    """Return the runs that have changed since a version or live, and those that have been removed since."""
    version = index_version(connection)
    ids = frozenset(run_id for (run_id,) in connection.execute("SELECT id FROM run"))
    if since.generation != version.generation:
        return StoredChanges(version, True, list_runs(connection), [], ids)
    changed = (
        "LEFT JOIN run_change ON run_change.run_id = run.id"
        f" WHERE run_change.number > ? OR run.state IN ({', '.join('?' * len(_LIVE))}) ORDER BY run.id"
    )
    removed = connection.execute(
        "SELECT run_id FROM run_change WHERE number > ? AND removed ORDER BY run_id", (since.number,)
    )
    return StoredChanges(
        version=version,
        complete=False,
        runs=list(_views(connection, changed, (since.number, *_LIVE))),
        removed=[run_id for (run_id,) in removed],
        ids=ids,
    )


def _views(connection: sqlite3.Connection, rest: str, values: tuple[object, ...]) -> Iterable[RunView]:
    rows = list(named_rows(connection, f"{_RUNS} {rest}", values))
    only = rows[0]["id"] if len(rows) == 1 else None
    parents = _lists(connection, "SELECT run_id, parent_id FROM parent", only)
    tags = _lists(connection, "SELECT run_id, tag FROM tag", only)
    return (_view(row, parents.get(row["id"], ()), tags.get(row["id"], ())) for row in rows)


def _lists(connection: sqlite3.Connection, statement: str, run_id: str | None) -> dict[str, tuple[str, ...]]:
    """Run id → its values in their order; of one run, or of all."""
    where, values = ("WHERE run_id = ?", (run_id,)) if run_id is not None else ("", ())
    values_by_run: dict[str, list[str]] = {}
    for key, value in connection.execute(f"{statement} {where} ORDER BY run_id, position", values):
        values_by_run.setdefault(key, []).append(value)
    return {key: tuple(listed) for key, listed in values_by_run.items()}


def _view(row: sqlite3.Row, parents: tuple[str, ...], tags: tuple[str, ...]) -> RunView:
    state = RunState(row["state"])
    progress = json.loads(row["progress"]) if row["progress"] and state.is_live else None
    best = row["best_map_text"]
    return RunView(
        id=row["id"],
        name=row["name"],
        stage=row["stage"],
        state=state,
        reason=row["reason"],
        created_at=datetime.fromisoformat(row["created_at"]),
        started_at=_time(row["started_at"]),
        ended_at=_time(row["ended_at"]),
        seconds=row["seconds"] if row["seconds"] is not None or state.is_live else row["log_seconds"],
        attempt=row["attempt"],
        stalled=bool(row["stalled"]),
        stopping=row["stopping"],
        handed_to=row["handed_to"],
        gpus_outside_lease=tuple(row["gpus_outside_lease"].split()),
        group=row["group"],
        pipeline=row["pipeline"],
        step=row["step"],
        source=row["source"],
        epochs_done=row["epochs_done"],
        epochs_total=row["epochs_total"],
        eta_seconds=eta_seconds(dict(row), progress) if state.is_live else None,
        progress=Progress(**progress) if progress else None,
        best_map=Number(best, row["best_map"], row["best_map_source"] or "log") if best is not None else None,
        best_epoch=row["best_epoch"],
        map_curve=tuple(value for value in json.loads(row["map_curve"] or "[]") if value is not None),
        map_curve_step=row["curve_step"] or 1,
        lines_not_understood=row["lines_not_understood"] or 0,
        archived=bool(row["archived"]),
        tags=tags,
        notes=row["notes"],
        parents=parents,
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
