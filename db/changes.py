"""The change number: which runs and epochs readers must read again."""

from collections.abc import Collection

from sqlalchemy import Connection

from db.reading.numbers import ALL

_MOST_EPOCHS = 50
"""Above this, reading all epochs again costs little more than the rows that would name them: the import of a log."""


def record_change(connection: Connection, run_id: str) -> None:
    """Raise the change number, and note that it is this run that has changed, or is gone."""
    connection.exec_driver_sql("UPDATE index_state SET number = number + 1")
    connection.exec_driver_sql(
        "INSERT INTO run_change (run_id, number, removed) VALUES"
        " (?, (SELECT number FROM index_state), NOT EXISTS (SELECT 1 FROM run WHERE id = ?))"
        " ON CONFLICT (run_id) DO UPDATE SET number = excluded.number, removed = excluded.removed",
        (run_id, run_id),
    )


def record_epochs(connection: Connection, run_id: str, epochs: Collection[int]) -> None:
    """Note which epochs of a run are written in this transaction, which `record_change` ends."""
    if len(epochs) > _MOST_EPOCHS:
        record_all_epochs(connection, run_id)
    elif epochs:
        connection.exec_driver_sql(
            "INSERT INTO epoch_change (run_id, epoch, number) VALUES (?, ?, (SELECT number + 1 FROM index_state))"
            " ON CONFLICT (run_id, epoch) DO UPDATE SET number = excluded.number",
            [(run_id, epoch) for epoch in epochs],
        )


def record_all_epochs(connection: Connection, run_id: str) -> None:
    """Note that any epoch of a run may have gone in this transaction, which `record_change` ends."""
    connection.exec_driver_sql("DELETE FROM epoch_change WHERE run_id = ?", (run_id,))
    record_epochs(connection, run_id, [ALL])
