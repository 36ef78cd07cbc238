"""The change number: which runs readers must look at again."""

from sqlalchemy import Connection


def record_change(connection: Connection, run_id: str) -> None:
    """Raise the change number, and note that it is this run that has changed, or is gone."""
    connection.exec_driver_sql("UPDATE index_state SET number = number + 1")
    connection.exec_driver_sql(
        "INSERT INTO run_change (run_id, number, removed) VALUES"
        " (?, (SELECT number FROM index_state), NOT EXISTS (SELECT 1 FROM run WHERE id = ?))"
        " ON CONFLICT (run_id) DO UPDATE SET number = excluded.number, removed = excluded.removed",
        (run_id, run_id),
    )
