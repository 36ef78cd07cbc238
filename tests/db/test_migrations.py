"""Databases of every version: made, brought up to date, refused and left alone."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

import db.tables  # noqa: F401 – fills the metadata
from db.connect import connect
from db.migrate import alembic_config
from db.migrations import HEAD, REVISIONS
from db.open import Store, open_store
from db.reading.detail import get_detail
from db.reading.runs import list_runs
from db.views import Number
from engine.contracts.errors import YoloqatError
from tests.conftest import REPOSITORY
from tests.db.rows import a_run, add_run, an_attempt, dump
from tests.waiting import patience

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    {body}
"""


def schema(path: Path) -> dict[str, Any]:
    """What SQLite itself tells of the tables, which is more than Alembic compares."""
    with closing(sqlite3.connect(path)) as file:
        tables = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'")
        return {
            name: (
                file.execute(f'PRAGMA table_xinfo("{name}")').fetchall(),
                file.execute(f'PRAGMA foreign_key_list("{name}")').fetchall(),
                sorted(row[1:] for row in file.execute(f'PRAGMA index_list("{name}")')),
                "WITHOUT ROWID" in sql,
            )
            for name, sql in tables.fetchall()
        }


def test_a_fresh_database_has_exactly_the_tables_of_the_models(tmp_path: Path) -> None:
    store = open_store(tmp_path / "migrated.db")
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    store.close()
    engine = connect(tmp_path / "created.db")
    SQLModel.metadata.create_all(engine)
    engine.dispose()
    assert schema(tmp_path / "migrated.db") == schema(tmp_path / "created.db")


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    """Every start reads the list, and only a database that must be migrated the files."""
    script = ScriptDirectory.from_config(alembic_config())
    assert tuple(revision.revision for revision in script.walk_revisions())[::-1] == REVISIONS


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    store = open_store(tmp_path / "x.db")
    with store.reading() as connection:
        assert list_runs(connection) == []
    store.close()
    assert dump(tmp_path / "x.db")["alembic_version"] == [(HEAD,)]


def test_programs_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from db.open import open_store; open_store(Path({str(tmp_path / 'x.db')!r}))"
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.PIPE) for _ in range(3)]
    assert [(process.communicate(timeout=patience(60))[1], process.returncode) for process in started] == [(b"", 0)] * 3
    assert dump(tmp_path / "x.db")["alembic_version"] == [(HEAD,)]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database of this version, with a run in it."""
    path = tmp_path / "workspace" / "yoloqat.db"
    path.parent.mkdir()
    store = open_store(path)
    add_run(store, "relu")
    store.close()
    return path


def open_with_next_version(folder: Path, database: Path, body: str) -> "subprocess.CompletedProcess[str]":
    """A program with one more migration opens the database."""
    for package in ("db", "engine/contracts", "engine/files"):
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "db/migrations/versions/9999_next.py").write_text(NEXT.format(head=HEAD, body=body))
    listed = folder / "db/migrations/__init__.py"
    listed.write_text(listed.read_text().replace("\nHEAD =", "\nREVISIONS = (*REVISIONS, '9999')\nHEAD ="))
    code = f"from pathlib import Path; from db.open import open_store; open_store(Path({str(database)!r})).close()"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_a_later_version_upgrades_and_keeps_rows_and_a_copy(old: Path, tmp_path: Path) -> None:
    before = dump(old)
    body = 'op.add_column("run", sa.Column("colour", sa.String(), server_default="red"))'
    done = open_with_next_version(tmp_path / "next", old, body)
    assert (done.returncode, done.stderr) == (0, "")
    after = dump(old)
    assert after["run"] == [(*row, "red") for row in before["run"]]
    assert after["attempt"] == before["attempt"], "rows that refer to the changed table"
    assert after["alembic_version"] == [("9999",)]
    assert dump(old.with_name("yoloqat.db.before-9999")) == before


def test_a_migration_that_fails_changes_nothing(old: Path, tmp_path: Path) -> None:
    before = dump(old)
    body = 'op.drop_table("tag"); op.drop_table("no_such_table")'
    done = open_with_next_version(tmp_path / "next", old, body)
    assert done.returncode == 1
    assert "no_such_table" in done.stderr
    assert dump(old) == before


def test_a_database_of_a_newer_version_is_refused_by_name_and_left_alone(old: Path) -> None:
    with closing(sqlite3.connect(old)) as file:
        file.execute("UPDATE alembic_version SET version_num = '2047'")
        file.commit()
    content = old.read_bytes()
    with pytest.raises(YoloqatError) as caught:
        open_store(old)
    assert "newer version" in str(caught.value)
    assert f"revision 2047, known up to {HEAD}" in str(caught.value)
    assert str(old) in str(caught.value)
    assert "reindex" not in (caught.value.hint or ""), "that would throw away what the newer version has written"
    assert old.read_bytes() == content
    assert [path.name for path in old.parent.iterdir() if "before" in path.name] == []


def test_what_is_no_database_of_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "text.db", tmp_path / "other.db"
    text.write_bytes(b"this is a letter, and no database\n" * 100)
    with closing(sqlite3.connect(other)) as file:
        file.execute("CREATE TABLE recipes (name)")
        file.commit()
    for path, why in ((text, "file is not a database"), (other, "it holds other tables")):
        content = path.read_bytes()
        with pytest.raises(YoloqatError, match=why) as caught:
            open_store(path)
        assert "reindex" in (caught.value.hint or "")
        assert path.read_bytes() == content


def test_a_database_that_is_busy_is_not_called_a_foreign_one(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`reindex` would put it aside."""
    monkeypatch.setattr("db.revision.BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(old, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode = DELETE")
        file.execute("BEGIN EXCLUSIVE")
        with pytest.raises(YoloqatError, match="locked") as caught:
            open_store(old)
    assert "not a database" not in str(caught.value)
    assert "reindex" not in (caught.value.hint or "")


def test_a_folder_that_is_not_there_is_told_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "yoloqat.db"
    with pytest.raises(YoloqatError, match="cannot write the database") as caught:
        open_store(path)
    assert str(path) in str(caught.value)


def test_an_open_database_survives_a_folder_with_signs_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "100% #1 ?x=é"
    folder.mkdir()
    for _ in range(2):
        store: Store = open_store(folder / "yoloqat.db")
        with store.reading() as connection:
            assert list_runs(connection) == []
        store.close()


def test_a_database_of_the_first_version_keeps_its_rows_and_takes_numbers_for_the_logs(tmp_path: Path) -> None:
    path = tmp_path / "yoloqat.db"
    engine = connect(path)
    with engine.begin() as connection:
        upgrade(alembic_config(connection), "0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as file:
        run = a_run("old").model_dump()
        _insert(file, "run", run)
        _insert(file, "attempt", an_attempt("old").model_dump())
        _insert(file, "epoch", {"run_id": "old", "attempt": 1, "epoch": 0, "last_epoch": 2})
        number = {"key": "mAP@.5:.95", "text": "0.478", "value": 0.478}
        _insert(file, "metric", {"run_id": "old", "attempt": 1, "epoch": 0, **number})
        file.commit()
    store = open_store(path)
    with store.reading() as connection:
        detail = get_detail(connection, "old")
    store.close()
    assert detail is not None
    assert detail.epochs[0].values == {"mAP@.5:.95": Number("0.478", 0.478, "log")}
    assert (detail.results, dump(path)["alembic_version"]) == ((), [(HEAD,)])


def _insert(file: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """One row, with the columns that the table has."""
    columns = {name for _, name, *_ in file.execute(f"PRAGMA table_info('{table}')")}
    known = {name: value for name, value in row.items() if name in columns}
    names, places = ", ".join(f'"{name}"' for name in known), ", ".join("?" * len(known))
    file.execute(f'INSERT INTO "{table}" ({names}) VALUES ({places})', tuple(known.values()))
