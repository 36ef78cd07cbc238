"""Rows in, in bulk. Every function writes inside the caller's transaction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlmodel import SQLModel

from db.changes import record_all_epochs, record_epochs
from db.rows_of_facts import RESULT, FactRows, is_number, precise, to_json
from db.tables import (
    Artifact,
    Attempt,
    BrokenRun,
    Epoch,
    Evaluation,
    EvaluationMetric,
    Event,
    Metric,
    Parent,
    Run,
    RunSummary,
    Tag,
    Usage,
    table_of,
)
from engine.console.escapes import without_escapes
from engine.contracts.result import StageResult

RESULT_NUMBERS = 1_000_000
"""Evaluations of `result.json` that the log does not tell are numbered from here."""


def upsert(model: type[SQLModel], *, keep: Sequence[str] = (), fill: bool = False) -> str:
    """Return a statement for whole rows, in the order of the columns: inserts, or changes the row of the same key in
    place.

    Args:
        keep: columns that stay as they are in a row that is there.
        fill: NULL leaves what is there.
    """
    table = table_of(model)
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    new = 'coalesce(excluded."{0}", "{0}")' if fill else 'excluded."{0}"'
    changes = ", ".join(f'"{name}" = {new.format(name)}' for name in names if name not in keys and name not in keep)
    return (
        f'INSERT INTO "{table.name}" ({_quoted(names)}) VALUES ({", ".join("?" * len(names))})'
        f" ON CONFLICT ({_quoted(keys)}) DO UPDATE SET {changes}"
    )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


_RUN = upsert(Run, keep=["details"])
_BROKEN = upsert(BrokenRun)
_ATTEMPT = upsert(Attempt)
_SUMMARY = upsert(RunSummary)
_EPOCH = upsert(Epoch)
_METRIC = upsert(Metric)
_PRECISE = upsert(Metric, keep=["text"])
_EVENT = upsert(Event)
_PARENT = upsert(Parent)
_TAG = upsert(Tag)
_ARTIFACT = upsert(Artifact)
_EVALUATION = upsert(Evaluation, fill=True)
_EVALUATION_METRIC = upsert(EvaluationMetric, keep=["position"])
_EVALUATION_COLUMNS = [column.name for column in table_of(Evaluation).columns][3:]


def execute(connection: Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Run a statement for each row."""
    listed = list(rows)
    if listed:
        connection.exec_driver_sql(statement, listed)


def write_rows(connection: Connection, model: type[SQLModel], rows: Iterable[SQLModel]) -> None:
    """Insert rows of one table, or change those of the same keys."""
    execute(connection, upsert(model), [_values(row) for row in rows])


def write_run(connection: Connection, run: Run, parents: Sequence[str], tags: Sequence[str]) -> None:
    """Write everything that the run's folder tells, except its logs and results."""
    execute(connection, _RUN, [_values(run)])
    for name, statement, values in (("parent", _PARENT, parents), ("tag", _TAG, tags)):
        connection.exec_driver_sql(f"DELETE FROM {name} WHERE run_id = ?", (run.id,))
        execute(connection, statement, [(run.id, position, _storable(value)) for position, value in enumerate(values)])


def write_attempt(connection: Connection, attempt: Attempt) -> None:
    """Write how far a log has been read."""
    execute(connection, _ATTEMPT, [_values(attempt)])


def write_summary(connection: Connection, summary: RunSummary) -> None:
    execute(connection, _SUMMARY, [_values(summary)])


def clear_attempt(connection: Connection, run_id: str, number: int) -> None:
    """Forget everything that was read from an attempt's log."""
    connection.exec_driver_sql("DELETE FROM attempt WHERE run_id = ? AND number = ?", (run_id, number))
    record_all_epochs(connection, run_id)


def delete_run(connection: Connection, run_id: str) -> None:
    """Forget a run."""
    connection.exec_driver_sql("DELETE FROM run WHERE id = ?", (run_id,))
    record_all_epochs(connection, run_id)
    clear_broken(connection, run_id)


def settle_run(connection: Connection, run_id: str, stamps: str) -> None:
    """Note that all that an ended run left has been read."""
    connection.exec_driver_sql("UPDATE run SET stamps = ? WHERE id = ?", (stamps, run_id))
    clear_broken(connection, run_id)


def write_reason(connection: Connection, run_id: str, reason: str) -> None:
    """Write why a run has ended, by its log."""
    connection.exec_driver_sql("UPDATE run SET reason = ? WHERE id = ?", (reason, run_id))


def write_broken(connection: Connection, run_id: str, stamps: str, reason: str) -> None:
    """Note that a run's folder cannot be read as it is."""
    execute(connection, _BROKEN, [(run_id, stamps, _storable(reason))])


def clear_broken(connection: Connection, run_id: str) -> None:
    """Forget that a run's folder could not be read."""
    connection.exec_driver_sql("DELETE FROM broken_run WHERE run_id = ?", (run_id,))


def write_facts(connection: Connection, run_id: str, attempt: int, rows: FactRows, ordinal: int) -> None:
    """Write the rows of a piece of a log. The attempt's row must exist.

    Args:
        ordinal: that of the first event.
    """
    key = (run_id, attempt)
    execute(connection, _EPOCH, [(*key, epoch, last) for epoch, last in rows.epochs.items()])
    execute(connection, _METRIC, [(*key, *place, *number) for place, number in rows.metrics.items()])
    execute(connection, _PRECISE, [(*key, *place, *number) for place, number in rows.precise.items()])
    record_epochs(connection, run_id, rows.changed_epochs)
    write_evaluations(connection, run_id, attempt, rows)
    execute(connection, _EVENT, [(*key, ordinal + n, *event) for n, event in enumerate(rows.events)])


def write_evaluations(connection: Connection, run_id: str, attempt: int, rows: FactRows) -> None:
    """Write evaluations and their numbers; each number keeps the place where the log first printed it."""
    if not rows.evaluations:
        return
    key = (run_id, attempt)
    execute(
        connection,
        _EVALUATION,
        [(*key, number, *map(row.get, _EVALUATION_COLUMNS)) for number, row in rows.evaluations.items()],
    )
    logged_rows = connection.exec_driver_sql(
        "SELECT number, class_name, key FROM evaluation_metric"
        " WHERE run_id = ? AND attempt = ? AND number BETWEEN ? AND ?",
        (*key, min(rows.evaluations), max(rows.evaluations)),
    )
    logged_keys = {(int(number), str(class_name), str(name)) for number, class_name, name in logged_rows}
    counts = Counter(number for number, _, _ in logged_keys)
    listed = []
    for place, number in rows.evaluation_metrics.items():
        counts[place[0]] += place not in logged_keys
        listed.append((*key, *place, counts[place[0]], *number))
    execute(connection, _EVALUATION_METRIC, listed)


def write_usage(connection: Connection, run_id: str, attempt: int, rows: Sequence[Usage]) -> None:
    """Replace what is stored of the resources that an attempt used."""
    connection.exec_driver_sql("DELETE FROM usage WHERE run_id = ? AND attempt = ?", (run_id, attempt))
    write_rows(connection, Usage, rows)


def write_result(connection: Connection, run_id: str, attempt: int, result: StageResult) -> None:
    """Write what `result.json` adds: files by content, details, and evaluations at full precision and by class.

    An evaluation that the log tells, too, is the one of the same label and weights, in the same order.
    """
    connection.exec_driver_sql("DELETE FROM artifact WHERE run_id = ?", (run_id,))
    files = [(file, True) for file in result.inputs] + [(file, False) for file in result.artifacts]
    execute(
        connection,
        _ARTIFACT,
        [
            (run_id, position, file.role, file.path, file.size_bytes, file.sha256, is_input)
            for position, (file, is_input) in enumerate(files)
        ],
    )
    connection.exec_driver_sql("UPDATE run SET details = ? WHERE id = ?", (to_json(result.details), run_id))
    connection.exec_driver_sql(
        "DELETE FROM evaluation WHERE run_id = ? AND attempt = ? AND number >= ?", (run_id, attempt, RESULT_NUMBERS)
    )
    logged_rows = connection.exec_driver_sql(
        "SELECT number, label, weights FROM evaluation WHERE run_id = ? AND attempt = ? ORDER BY number",
        (run_id, attempt),
    ).fetchall()
    free = [(int(number), (label, weights)) for number, label, weights in logged_rows]
    rows = FactRows()
    for position, evaluation in enumerate(result.evaluations):
        name = (evaluation.label, evaluation.weights)
        number = next((number for number, key in free if key == name), RESULT_NUMBERS + position)
        free = [entry for entry in free if entry[0] != number]
        rows.evaluations[number] = {
            "label": evaluation.label,
            "weights": evaluation.weights,
            "backend": evaluation.backend,
            "images": evaluation.settings.images,
            "settings": to_json(evaluation.settings.model_dump()),
        }
        classes = {"": evaluation.metrics, **evaluation.per_class}
        for class_name, metrics in classes.items():
            for key, value in metrics.items():
                if is_number(value):
                    rows.evaluation_metrics[number, class_name, key] = precise(value, RESULT)
        for key, value in evaluation.milliseconds_per_image.items():
            rows.evaluation_metrics[number, "", f"ms/{key}"] = precise(value, RESULT)
    write_evaluations(connection, run_id, attempt, rows)


def _values(row: SQLModel) -> tuple[Any, ...]:
    return tuple(_storable(getattr(row, column.name)) for column in table_of(type(row)).columns)


def _storable(value: Any) -> Any:
    """Return text that SQLite takes: what is no UTF-8 in a file name or a command is written as an escape.

    Nothing in it commands a terminal: what reads the index shows it in many places.
    """
    if isinstance(value, str):
        value = without_escapes(value, keep_line_ends=True)
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
