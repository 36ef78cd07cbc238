"""Rows out, as the dataclasses of `db.views`. Each function is a handful of statements, however many rows there are."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from db.open import Store
from db.results import newest_epochs, numbers_by_epoch
from db.summary import eta_seconds
from db.views import (
    ArtifactView,
    EpochView,
    EvaluationView,
    EventView,
    Number,
    ProgressView,
    ResultsFileView,
    RunDetail,
    RunView,
    UsageView,
)
from engine.contracts.states import RunState

_RUNS = """
SELECT run.*, epochs_done, epochs_total, epoch_seconds, best_map_text, best_map, best_map_source, best_epoch, map_curve,
       lines_not_understood, log_seconds, progress,
       (SELECT json_group_array(parent_id)
        FROM (SELECT parent_id FROM parent WHERE run_id = run.id ORDER BY position)) AS parents,
       (SELECT json_group_array(tag) FROM (SELECT tag FROM tag WHERE run_id = run.id ORDER BY position)) AS tags
FROM run LEFT JOIN run_summary ON run_summary.run_id = run.id
"""


def list_runs(store: Store, *, archived: bool = False) -> list[RunView]:
    """All runs, newest first.

    Args:
        archived: the archived ones, too.
    """
    where = "" if archived else "WHERE NOT archived"
    with store.reading() as connection:
        rows = connection.exec_driver_sql(f"{_RUNS} {where} ORDER BY created_at DESC, id DESC").mappings()
        return [_run_view(row) for row in rows]


def get_run(store: Store, run_id: str) -> RunView | None:
    """One run; None when it is not there."""
    with store.reading() as connection:
        row = connection.exec_driver_sql(f"{_RUNS} WHERE run.id = ?", (run_id,)).mappings().fetchone()
    return _run_view(row) if row else None


def get_detail(store: Store, run_id: str) -> RunDetail | None:
    """Everything about one run; None when it is not there."""
    with store.reading() as connection:
        row = connection.exec_driver_sql(f"{_RUNS} WHERE run.id = ?", (run_id,)).mappings().fetchone()
        if row is None:
            return None
        epochs = _epochs(connection, run_id)
        results = tuple(_results(connection, run_id))
        return RunDetail(
            run=_run_view(row),
            options=json.loads(row["options"]),
            command=tuple(json.loads(row["command"])),
            cwd=row["cwd"],
            epochs=tuple(epochs.values()),
            evaluations=tuple(_evaluations(connection, run_id, epochs)),
            events=(*_events(connection, run_id), *_left_aside(results)),
            artifacts=tuple(_artifacts(connection, run_id)),
            imported_from=row["imported_from"],
            details=json.loads(row["details"]),
            results=results,
            usage=tuple(_usage(connection, run_id)),
        )


def _run_view(row: Mapping[Any, Any]) -> RunView:
    progress = json.loads(row["progress"]) if row["progress"] else None
    state = RunState(row["state"])
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
        group=row["group"],
        pipeline=row["pipeline"],
        step=row["step"],
        source=row["source"],
        epochs_done=row["epochs_done"],
        epochs_total=row["epochs_total"],
        eta_seconds=eta_seconds(row, progress) if state.is_live else None,
        progress=ProgressView(**progress) if progress and state.is_live else None,
        best_map=Number(best, row["best_map"], row["best_map_source"] or "log") if best is not None else None,
        best_epoch=row["best_epoch"],
        map_curve=tuple(json.loads(row["map_curve"] or "[]")),
        lines_not_understood=row["lines_not_understood"] or 0,
        archived=bool(row["archived"]),
        tags=tuple(json.loads(row["tags"])),
        notes=row["notes"],
        parents=tuple(json.loads(row["parents"])),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _epochs(connection: Connection, run_id: str) -> dict[int, EpochView]:
    """Each epoch as the newest attempt ran it."""
    newest = newest_epochs(connection, run_id)
    cells = numbers_by_epoch(connection, run_id, newest)
    return {
        epoch: EpochView(attempt, epoch, last, {key: Number(*cell) for key, cell in cells.get(epoch, {}).items()})
        for epoch, (attempt, last) in newest.items()
    }


def _evaluations(connection: Connection, run_id: str, epochs: Mapping[int, EpochView]) -> Iterator[EvaluationView]:
    """Final and stand-alone evaluations, and those of epochs that tell of classes; in the order of the log."""
    numbers: dict[tuple[int, int], dict[str, dict[str, Number]]] = {}
    for attempt, number, class_name, key, text, value, source in connection.exec_driver_sql(
        "SELECT attempt, number, class_name, key, text, value, source FROM evaluation_metric WHERE run_id = ?"
        " ORDER BY attempt, number, position",
        (run_id,),
    ):
        classes = numbers.setdefault((attempt, number), {})
        classes.setdefault(class_name, {})[key] = Number(text, value, source)
    rows = connection.exec_driver_sql(
        "SELECT * FROM evaluation WHERE run_id = ? ORDER BY attempt, number", (run_id,)
    ).mappings()
    index = 0
    for row in rows:
        epoch = row["epoch"]
        if epoch is not None and (epoch not in epochs or epochs[epoch].attempt != row["attempt"]):
            continue  # a later attempt has run this epoch again
        classes = numbers.get((row["attempt"], row["number"]), {})
        values = classes.pop("", {})
        if epoch is not None:
            values = {key: epochs[epoch].values[key] for key in _RATES if key in epochs[epoch].values} | values
        yield EvaluationView(
            index=index,
            label=row["label"] or (f"epoch {epoch}" if epoch is not None else row["weights"] or ""),
            weights=row["weights"],
            images=row["images"],
            labels=row["labels"],
            values=values,
            per_class=classes,
            settings=json.loads(row["settings"]) if row["settings"] else None,
            backend=row["backend"],
            epoch=epoch,
        )
        index += 1


_RATES = ("P", "R", "mAP@.5", "mAP@.5:.95")


def _events(connection: Connection, run_id: str) -> Iterator[EventView]:
    rows = connection.exec_driver_sql(
        "SELECT kind, payload FROM event WHERE run_id = ? ORDER BY attempt, ordinal", (run_id,)
    )
    return (EventView(kind, json.loads(payload)) for kind, payload in rows)


def _results(connection: Connection, run_id: str) -> Iterator[ResultsFileView]:
    rows = connection.exec_driver_sql(
        "SELECT path, source, epochs, problem FROM results_file WHERE run_id = ? ORDER BY position", (run_id,)
    )
    return (ResultsFileView(*row) for row in rows)


def _left_aside(results: Sequence[ResultsFileView]) -> Iterator[EventView]:
    return (EventView("warning", {"text": f"{file.path}: {file.problem}"}) for file in results if file.problem)


def _artifacts(connection: Connection, run_id: str) -> Iterator[ArtifactView]:
    rows = connection.exec_driver_sql(
        "SELECT role, path, size_bytes, sha256, is_input FROM artifact WHERE run_id = ? ORDER BY position", (run_id,)
    )
    return (ArtifactView(role, path, size, sha, bool(is_input)) for role, path, size, sha, is_input in rows)


def _usage(connection: Connection, run_id: str) -> Iterator[UsageView]:
    rows = connection.exec_driver_sql(
        "SELECT device, key, mean, least, most, last, curve FROM usage WHERE run_id = ?"
        " AND attempt = (SELECT max(attempt) FROM usage WHERE run_id = ?) ORDER BY device = 'host', device, key",
        (run_id, run_id),
    )
    for device, key, mean, least, most, last, curve in rows:
        yield UsageView(device, key, mean, least, most, last, tuple(json.loads(curve)))


def is_settled(store: Store, run_id: str) -> bool:
    """Whether a run has ended and everything that it left has been read."""
    with store.reading() as connection:
        row = connection.exec_driver_sql("SELECT stamps FROM run WHERE id = ?", (run_id,)).fetchone()
    return row is not None and row[0] != ""
