"""Values of many runs that the list of runs does not hold: of one option, or of one metric."""

import json
import sqlite3
from collections.abc import Mapping

Value = str | float | None


def option_values(connection: sqlite3.Connection, option: str) -> Mapping[str, Value]:
    """Return the value of an option by run id, for the runs that have it."""
    statement = "SELECT run.id, found.type, found.value FROM run, json_each(run.options) AS found WHERE found.key = ?"
    return {run_id: _value(kind, value) for run_id, kind, value in connection.execute(statement, (option,))}


def metric_values(connection: sqlite3.Connection, key: str) -> Mapping[str, Value]:
    """Return a metric of each run: of its best epoch, else of its last evaluation of a whole model."""
    evaluated = connection.execute(
        "SELECT numbers.run_id, numbers.value FROM evaluation_metric AS numbers"
        " JOIN evaluation USING (run_id, attempt, number)"
        " WHERE numbers.key = ? AND numbers.class_name = '' AND evaluation.epoch IS NULL"
        " ORDER BY numbers.attempt, numbers.number",
        (key,),
    )
    values: dict[str, Value] = {run_id: value for run_id, value in evaluated if value is not None}
    for table in ("metric", "results_metric"):  # a file of results covers the log
        order = " ORDER BY numbers.attempt" if table == "metric" else ""
        rows = connection.execute(
            f"SELECT run_summary.run_id, numbers.value FROM run_summary JOIN {table} AS numbers"
            " ON numbers.run_id = run_summary.run_id AND numbers.epoch = run_summary.best_epoch"
            f" WHERE numbers.key = ?{order}",
            (key,),
        )
        values |= {run_id: value for run_id, value in rows if value is not None}
    return values


def _value(kind: str, value: object) -> Value:
    if kind in ("true", "false"):
        return kind
    if kind in ("integer", "real"):
        return float(value)  # type: ignore[arg-type]
    return value if isinstance(value, str) or value is None else json.dumps(value)
