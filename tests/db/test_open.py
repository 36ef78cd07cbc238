"""Connections: who waits for whom, and what a crash leaves."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db.connect import durability
from db.open import Store, open_store
from db.writer import write_run
from engine.files.mounts import Mount
from tests.db.rows import a_run, add_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "yoloqat.db"


def names(store: Store) -> list[str]:
    with store.reading() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM run ORDER BY name")]


def test_there_is_a_write_ahead_log_and_rows_are_owned(path: Path) -> None:
    store = open_store(path)
    with store.reading() as connection:
        pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "foreign_keys")]
    assert pragmas == ["wal", 1]
    store.close()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",), "for every other program, too"


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("ext4", "WAL"), ("overlay", "WAL"), ("nfs4", "DELETE"), ("cifs", "DELETE"), ("lustre", "DELETE")],
)
def test_a_network_file_system_has_no_shared_memory_for_a_write_ahead_log(kind: str, mode: str) -> None:
    assert durability(Mount("/data", kind))[0] == f"journal_mode = {mode}"


def test_readers_do_not_wait_for_a_writer_and_see_nothing_of_it_before_its_end(path: Path) -> None:
    ours, theirs = open_store(path), open_store(path)
    with ours.writing("relu") as connection:
        write_run(connection, a_run("relu"), [], [])
        assert names(theirs) == []
    assert names(theirs) == ["relu"]
    ours.close()
    theirs.close()


def test_what_is_read_in_one_block_is_of_one_moment(path: Path) -> None:
    ours, theirs = open_store(path), open_store(path)
    count = "SELECT count(*) FROM run"
    with theirs.reading() as connection:
        assert connection.execute(count).fetchone()[0] == 0
        add_run(ours, "relu")
        assert connection.execute(count).fetchone()[0] == 0
    assert names(theirs) == ["relu"]
    ours.close()
    theirs.close()


def test_a_connection_can_be_used_again_after_an_error(path: Path) -> None:
    store = open_store(path)
    with pytest.raises(ZeroDivisionError), store.writing("relu"):
        _ = 1 / 0
    with pytest.raises(ZeroDivisionError), store.reading():
        _ = 1 / 0
    add_run(store, "relu")
    assert names(store) == ["relu"]
    store.close()
