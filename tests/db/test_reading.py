"""Rows out: the queries name what the tables have, and a reader is told what has changed, no more and no less."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

import db.tables  # noqa: F401 – fills the metadata
from db.open import Store, open_store
from db.reading import log_facts
from db.reading.database import data_version, reading
from db.reading.detail import get_detail
from db.reading.index import count_rows, index_version, read_index, reading_position
from db.reading.numbers import newest_epochs, numbers_by_epoch
from db.reading.runs import StoredChanges, list_runs, runs_changed_since
from db.views import NEVER, IndexVersion
from db.writer import delete_run, write_broken, write_run
from tests.db.rows import a_run, add_run

QUERIES: tuple[Callable[[sqlite3.Connection], Any], ...] = (
    list_runs,
    lambda file: get_detail(file, "relu"),
    lambda file: get_detail(file, "relu", get_detail(file, "relu")),
    lambda file: runs_changed_since(file, index_version(file)),
    lambda file: read_index(file, "relu"),
    read_index,
    count_rows,
    lambda file: reading_position(file, "relu", 1),
    lambda file: numbers_by_epoch(file, "relu", newest_epochs(file, "relu")),
    lambda file: log_facts.log_events(file, "relu", ["crash"]),
    lambda file: log_facts.first_epoch(file, "relu"),
    lambda file: log_facts.newest_bar(file, "relu"),
    lambda file: log_facts.attempt_numbers(file, "relu"),
    lambda file: log_facts.metric_names(file, "relu"),
    lambda file: log_facts.is_evaluated(file, "relu"),
    lambda file: log_facts.has_results_files(file, "relu"),
    lambda file: log_facts.epoch_counts(file, "relu"),
)
WRITERS_ALONE = {
    *(("attempt", name) for name in ("lines", "not_understood")),  # summed up in `run_summary`
    ("broken_run", "reason"),
    ("index_state", "id"),
    *(("run_summary", name) for name in ("curve_start", "curve_end")),  # where its next epoch belongs
}
"""Columns that no query needs."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = open_store(tmp_path / "yoloqat.db")
    add_run(made, "relu")
    return made


def test_the_queries_read_the_columns_that_the_models_have(store: Store) -> None:
    columns = {(table.name, column.name) for table in SQLModel.metadata.tables.values() for column in table.columns}
    read: set[tuple[str, str]] = set()

    def note(action: int, table: str | None, column: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table is not None and column:
            read.add((table, column))
        return sqlite3.SQLITE_OK

    with reading(store.path) as connection:
        assert connection is not None
        connection.set_authorizer(note)
        for query in QUERIES:
            query(connection)
    store.close()
    assert read - columns == set()
    assert columns - read == WRITERS_ALONE, "written, and never shown"


def changed(store: Store, since: IndexVersion) -> StoredChanges:
    with store.reading() as connection:
        return runs_changed_since(connection, since)


def test_a_reader_learns_of_what_has_changed_since_it_asked_last(store: Store) -> None:
    add_run(store, "silu")
    everything = changed(store, NEVER)
    assert everything.complete
    assert [run.id for run in everything.runs] == ["relu", "silu"]
    again = changed(store, everything.version)
    assert (again.version, again.complete, again.runs, again.removed) == (everything.version, False, [], [])
    with store.writing("silu") as connection:
        write_run(connection, a_run("silu", name="renamed"), [], ["good"])
    news = changed(store, everything.version)
    assert [(run.id, run.name, run.tags) for run in news.runs] == [("silu", "renamed", ("good",))]
    assert news.version.number > everything.version.number
    store.close()


def test_a_run_that_lives_is_in_every_answer(store: Store) -> None:
    """Its processes can end, and nobody writes it down."""
    with store.writing("live") as connection:
        write_run(connection, a_run("live", state="running"), [], [])
    version = changed(store, NEVER).version
    assert [run.id for run in changed(store, version).runs] == ["live"]
    store.close()


def test_a_removed_run_is_told_until_it_is_back(store: Store) -> None:
    version = changed(store, NEVER).version
    with store.writing("relu") as connection:
        delete_run(connection, "relu")
    assert (changed(store, version).removed, changed(store, version).runs) == (["relu"], [])
    add_run(store, "relu")
    news = changed(store, version)
    assert ([run.id for run in news.runs], news.removed) == (["relu"], [])
    store.close()


def test_a_version_of_another_database_gets_everything(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other.db")
    add_run(other, "silu")
    found = changed(store, changed(other, NEVER).version)
    assert (found.complete, [run.id for run in found.runs]) == (True, ["relu"])
    store.close()
    other.close()


def test_what_does_not_happen_has_no_number(store: Store) -> None:
    version = changed(store, NEVER).version
    with pytest.raises(ZeroDivisionError), store.writing("relu"):
        _ = 1 / 0
    assert changed(store, version).version == version
    store.close()


def test_a_broken_run_is_known_by_its_stamps_until_it_is_gone(store: Store) -> None:
    with store.writing("bad") as connection:
        write_broken(connection, "bad", "stamps", "no YAML")
    with store.reading() as connection:
        assert read_index(connection).broken == {"bad": "stamps"}
    with store.writing("bad") as connection:
        delete_run(connection, "bad")
    with store.reading() as connection:
        assert read_index(connection).broken == {}
    store.close()


def test_a_reader_writes_nothing(store: Store) -> None:
    with reading(store.path) as connection:
        assert connection is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM run")
    store.close()


def test_nothing_is_read_of_a_database_that_is_absent_empty_or_older(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for name in ("absent.db", "empty.db"):
        with reading(tmp_path / name) as connection:
            assert connection is None
    assert not (tmp_path / "absent.db").exists()
    store.close()
    with sqlite3.connect(store.path) as file:
        file.execute("UPDATE alembic_version SET version_num = '0003'")
    file.close()
    with reading(store.path) as connection:
        assert connection is None
    assert data_version(tmp_path / "absent.db") == 0
