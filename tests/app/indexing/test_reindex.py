"""The database can be thrown away: the run folders give the same rows again."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from app.importing.import_logs import import_logs
from app.indexing.service import ensure_indexer, reindex, update_index
from app.runs.reader import find_run, list_runs, wait_until_indexed
from db.open import open_store
from db.reading.runs import list_runs as stored_runs
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.files.programs import module_command
from tests.app.indexing.index_fixtures import (
    SEED,
    add_folder,
    add_result,
    epochs_log,
    evaluated_log,
    indexer_is_at_work,
    rows_of,
    train,
    until,
    wait,
    workspace,
)
from tests.app.indexing.test_sidecar_rows import PAIRS
from tests.db.rows import dump

__all__ = ["workspace"]


def forget(workspace: Workspace) -> None:
    """Delete the database with all that belongs to it."""
    for path in workspace.path.glob("yoloqat.db*"):
        path.unlink()


def fill(workspace: Workspace) -> None:
    """Logs, a resumed run, a stage with results and annotations, a damaged run, and one that has really run."""
    import_logs(workspace, [SEED, PAIRS / "yolov7.txt"])
    add_folder(workspace, epochs_log(0, 5), epochs_log(4, 9, loss=0.03), name="resumed")
    folder = add_folder(workspace, evaluated_log(), name="stage")
    add_result(folder)
    folder.attempt(1).system.write_text('{"monotonic": 5, "cpu_percent": 98.5}\n')
    add_folder(workspace, epochs_log(0, 1), name="damaged").spec.write_text("id: [")
    odd = add_folder(workspace, epochs_log(0, 1), name="odd").attempt(1).console
    odd.unlink()
    odd.mkdir()
    run_id = train(workspace, 4, 0.3, name="live")
    while not find_run(workspace, run_id).epochs_done:
        update_index(workspace)
    wait(workspace, run_id)
    wait_until_indexed(workspace, run_id)


def test_every_row_comes_back_the_same(workspace: Workspace) -> None:
    fill(workspace)
    before = rows_of(workspace)
    assert {table: len(rows) > 0 for table, rows in before.items()} == dict.fromkeys(before, True), "none is empty"
    forget(workspace)
    report = reindex(workspace)
    assert dump(workspace.database) == before
    assert (report.runs, report.backup_path) == (7, None)
    assert report.epochs == 10 + 12 + 4 + 3 + 2, "those of the damaged run, too"
    assert rows_of(workspace) == before, "nothing is left to be read"
    reindex(workspace)
    assert dump(workspace.database) == before


def test_what_people_said_comes_back(workspace: Workspace) -> None:
    folder = add_folder(workspace, evaluated_log(), name="stage")
    add_result(folder)
    reindex(workspace)
    run = find_run(workspace, "renamed")
    assert (run.id, run.tags, run.notes, run.parents) == (folder.id, ("z", "a"), "two\nlines", ("p2", "p1"))


def test_wrong_rows_are_put_right_and_strays_go(workspace: Workspace) -> None:
    import_logs(workspace, [SEED])
    before = dump(workspace.database)
    with closing(sqlite3.connect(workspace.database)) as file:
        file.execute("DELETE FROM epoch WHERE epoch = 25")
        file.execute("UPDATE metric SET text = '0.999', value = 0.999 WHERE key = 'P'")
        file.execute("INSERT INTO tag SELECT id, 0, 'stray' FROM run")
        file.commit()
    assert rows_of(workspace) != before, "what has been read to its end is not read again by itself"
    reindex(workspace)
    assert dump(workspace.database) == before


def test_an_open_screen_sees_the_new_rows(workspace: Workspace) -> None:
    folder = add_folder(workspace, epochs_log(0, 5))
    update_index(workspace)
    store = open_store(workspace.database)
    with store.reading() as connection:
        assert [run.epochs_done for run in stored_runs(connection)] == [6]
    folder.attempt(1).console.write_bytes(epochs_log(0, 7))
    reindex(workspace)
    with store.reading() as connection:
        assert [run.epochs_done for run in stored_runs(connection)] == [8]
    store.close()
    assert sorted(path.name for path in workspace.path.glob("yoloqat.db.*")) == ["yoloqat.db.lock"]


@pytest.mark.parametrize("damage", ["text", "cut", "other"])
def test_a_file_that_is_no_database_is_kept_and_replaced(workspace: Workspace, damage: str) -> None:
    import_logs(workspace, [SEED])
    before = dump(workspace.database)
    forget(workspace)
    if damage == "other":
        with closing(sqlite3.connect(workspace.database)) as file:
            file.execute("CREATE TABLE recipes (name)")
    else:
        workspace.database.write_bytes(b"SQLite format 3\0" + b"\1" * 5000 if damage == "cut" else b"a letter" * 999)
    content = workspace.database.read_bytes()
    with pytest.raises(YoloqatError, match="not a database of yoloqat"):
        list_runs(workspace)
    report = reindex(workspace)
    assert report.backup_path is not None
    assert report.backup_path.read_bytes() == content
    assert dump(workspace.database) == before


def test_a_newer_versions_database_is_left_alone(workspace: Workspace) -> None:
    import_logs(workspace, [SEED])
    with closing(sqlite3.connect(workspace.database)) as file:
        file.execute("UPDATE alembic_version SET version_num = '2047'")
        file.commit()
    before = dump(workspace.database)
    for use in (reindex, update_index, list_runs, ensure_indexer):
        with pytest.raises(YoloqatError, match="revision 2047"):
            use(workspace)
    assert dump(workspace.database) == before
    assert list(workspace.path.glob("*.new*")) == []


def test_leftovers_of_an_interrupted_reindex_do_no_harm(workspace: Workspace) -> None:
    import_logs(workspace, [SEED])
    before = dump(workspace.database)
    (workspace.path / "yoloqat.db.new").write_bytes(b"half a file")
    (workspace.path / "yoloqat.db.new-wal").write_bytes(b"and more")
    reindex(workspace)
    assert dump(workspace.database) == before
    assert list(workspace.path.glob("*.new*")) == []


def test_a_running_indexer_yields_and_is_started_again(workspace: Workspace) -> None:
    run_id = train(workspace, 6, 0.5, name="live")
    ensure_indexer(workspace)
    first = workspace.indexer_lock.read_text()
    until(lambda: (find_run(workspace, run_id).epochs_done or 0) >= 1)
    reindex(workspace)
    until(lambda: indexer_is_at_work(workspace))
    until(lambda: workspace.indexer_lock.read_text() not in ("", first))
    wait(workspace, run_id)
    wait_until_indexed(workspace, run_id)
    before = rows_of(workspace)
    assert [row[2] for row in before["epoch"]] == list(range(6))


def test_the_folders_are_all_that_must_be_kept(workspace: Workspace, tmp_path: Path) -> None:
    """A workspace that is moved to another machine keeps its runs, whatever happens to the database."""
    add_result(add_folder(workspace, evaluated_log()))
    import_logs(workspace, [SEED])
    before = [(run.name, run.best_map, run.reason, run.tags) for run in list_runs(workspace)]
    moved = Workspace(tmp_path / "elsewhere")
    shutil.copytree(workspace.runs, moved.runs)
    reindex(moved)
    assert [(run.name, run.best_map, run.reason, run.tags) for run in list_runs(moved)] == before


def test_the_command_tells_what_it_did(workspace: Workspace) -> None:
    import_logs(workspace, [SEED])
    command = module_command("app.cli.main", "--workspace", str(workspace.path), "reindex")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 run" in done.stdout
