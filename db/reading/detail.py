"""Everything about one run. A handful of statements, however many rows there are."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from db.reading.database import named_rows
from db.reading.index import index_version
from db.reading.numbers import ALL, newest_epochs, numbers_by_epoch
from db.reading.runs import get_run
from db.views import (
    ArtifactView,
    EpochView,
    EvaluationView,
    EventView,
    Number,
    ResultsFileView,
    RunDetail,
    UsageView,
)


def get_detail(connection: sqlite3.Connection, run_id: str, previous: RunDetail | None = None) -> RunDetail | None:
    """Return everything about one run; None when it is not there.

    Args:
        previous: what was read before. Only epochs that have changed since are read again; the others are its objects.
    """
    run = get_run(connection, run_id)
    if run is None:
        return None
    row = next(
        named_rows(connection, "SELECT options, command, cwd, imported_from, details FROM run WHERE id = ?", (run_id,))
    )
    version = index_version(connection)
    epochs = _epochs(connection, run_id, previous)
    results = tuple(_results(connection, run_id))
    return RunDetail(
        run=run,
        version=version,
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


def _epochs(connection: sqlite3.Connection, run_id: str, previous: RunDetail | None) -> dict[int, EpochView]:
    """Return each epoch as the newest attempt ran it."""
    known = {epoch.epoch: epoch for epoch in previous.epochs} if previous is not None else {}
    since = _first_changed(connection, run_id, previous, known)
    if since is None:
        return known
    newest = newest_epochs(connection, run_id, since)
    cells = numbers_by_epoch(connection, run_id, newest, since=since)
    read = {
        epoch: EpochView(attempt, epoch, last, {key: Number(*cell) for key, cell in cells.get(epoch, {}).items()})
        for epoch, (attempt, last) in newest.items()
    }
    return {epoch: view for epoch, view in known.items() if epoch < since} | read


def _first_changed(
    connection: sqlite3.Connection, run_id: str, previous: RunDetail | None, known: Mapping[int, EpochView]
) -> int | None:
    """Return the first epoch that must be read; None if nothing has changed since the previous reading."""
    if (
        previous is None
        or previous.run.id != run_id
        or previous.version.generation != index_version(connection).generation
    ):
        return ALL
    (first,) = connection.execute(
        "SELECT min(epoch) FROM epoch_change WHERE run_id = ? AND number > ?", (run_id, previous.version.number)
    ).fetchone()
    if first is None or first == ALL:
        return None if first is None else ALL
    # An epoch that only a file of results tells of is shown once the log tells of a later one.
    return max((epoch for epoch in known if epoch < first), default=ALL - 1) + 1


def _evaluations(
    connection: sqlite3.Connection, run_id: str, epochs: Mapping[int, EpochView]
) -> Iterator[EvaluationView]:
    """Yield final and stand-alone evaluations, and those of epochs with classes, in the order of the log."""
    numbers: dict[tuple[int, int], dict[str, dict[str, Number]]] = {}
    for attempt, number, class_name, key, text, value, source in connection.execute(
        "SELECT attempt, number, class_name, key, text, value, source FROM evaluation_metric WHERE run_id = ?"
        " ORDER BY attempt, number, position",
        (run_id,),
    ):
        classes = numbers.setdefault((attempt, number), {})
        classes.setdefault(class_name, {})[key] = Number(text, value, source)
    rows = named_rows(
        connection,
        "SELECT attempt, number, epoch, label, weights, images, labels, backend, settings FROM evaluation"
        " WHERE run_id = ? ORDER BY attempt, number",
        (run_id,),
    )
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


def _events(connection: sqlite3.Connection, run_id: str) -> Iterator[EventView]:
    rows = connection.execute("SELECT kind, payload FROM event WHERE run_id = ? ORDER BY attempt, ordinal", (run_id,))
    return (EventView(kind, json.loads(payload)) for kind, payload in rows)


def _results(connection: sqlite3.Connection, run_id: str) -> Iterator[ResultsFileView]:
    rows = connection.execute(
        "SELECT path, source, epochs, problem FROM results_file WHERE run_id = ? ORDER BY position", (run_id,)
    )
    return (ResultsFileView(*row) for row in rows)


def _left_aside(results: Sequence[ResultsFileView]) -> Iterator[EventView]:
    return (EventView("warning", {"text": f"{file.path}: {file.problem}"}) for file in results if file.problem)


def _artifacts(connection: sqlite3.Connection, run_id: str) -> Iterator[ArtifactView]:
    rows = connection.execute(
        "SELECT role, path, size_bytes, sha256, is_input FROM artifact WHERE run_id = ? ORDER BY position", (run_id,)
    )
    return (ArtifactView(role, path, size, sha, bool(is_input)) for role, path, size, sha, is_input in rows)


def _usage(connection: sqlite3.Connection, run_id: str) -> Iterator[UsageView]:
    rows = connection.execute(
        "SELECT device, key, mean, least, most, last, curve FROM usage WHERE run_id = ?"
        " AND attempt = (SELECT max(attempt) FROM usage WHERE run_id = ?) ORDER BY device = 'host', device, key",
        (run_id, run_id),
    )
    for device, key, mean, least, most, last, curve in rows:
        yield UsageView(device, key, mean, least, most, last, tuple(json.loads(curve)))
