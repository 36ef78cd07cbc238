"""A reader knows whether the index is current, starts nothing where it is, and waits for no more than it says."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from app.indexing import freshness
from app.indexing.freshness import refresh
from app.indexing.service import ensure_indexer, update_index
from app.launching.launch import launch_command
from app.runs.annotations import tag_run
from app.runs.reader import find_run, list_runs
from app.runs.trash import delete_runs
from engine.contracts.run_folder import Workspace
from tests.app.indexing.index_fixtures import (
    add_folder,
    add_result,
    epochs_log,
    indexer_is_at_work,
    train,
    until,
    workspace,
)

__all__ = ["workspace"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Workspace]:
    """Whenever the indexer is asked for; nothing is indexed then."""
    calls: list[Workspace] = []
    monkeypatch.setattr(freshness, "start_indexer", calls.append)
    return calls


def test_a_current_index_needs_no_indexer(workspace: Workspace, asked: list[Workspace]) -> None:
    assert refresh(workspace) is None, "there is nothing to index"
    add_result(add_folder(workspace, epochs_log(0, 3), epochs_log(4, 5)))
    update_index(workspace)
    assert (refresh(workspace), len(list_runs(workspace))) == (None, 1)
    assert asked == []


@pytest.mark.parametrize(
    "change",
    [
        lambda workspace, folder: folder.user.write_text('{"tags": ["new"]}'),
        lambda workspace, folder: add_result(folder),
        lambda workspace, folder: folder.attempt(1).console.write_bytes(epochs_log(0, 5)),
        lambda workspace, folder: folder.attempt(2).path.mkdir(),
        lambda workspace, folder: add_folder(workspace, epochs_log(0, 1)),
        lambda workspace, folder: folder.spec.write_text("id: ["),
        lambda workspace, folder: delete_runs(workspace, [folder.id]),
        lambda workspace, folder: workspace.database.unlink(),
    ],
    ids=["annotated", "evaluated", "longer log", "resumed", "new run", "damaged", "deleted", "no database"],
)
def test_every_change_of_a_folder_is_noticed_and_read(
    workspace: Workspace, change: object, asked: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = add_folder(workspace, epochs_log(0, 3))
    update_index(workspace)
    assert callable(change)
    change(workspace, folder)
    lag = refresh(workspace, wait_seconds=0)
    assert lag is not None
    assert (lag.runs, lag.seconds < 60, len(asked)) == (1, True, 1)
    monkeypatch.setattr(freshness, "start_indexer", update_index)
    assert refresh(workspace) is None
    monkeypatch.setattr(freshness, "start_indexer", asked.append)
    assert refresh(workspace) is None, "what cannot be read is not tried again at every look"
    assert len(asked) == 1


def test_one_run_that_matters_does_not_wait_for_the_others(workspace: Workspace, asked: list[Workspace]) -> None:
    folder = add_folder(workspace, epochs_log(0, 3))
    update_index(workspace)
    add_folder(workspace, epochs_log(0, 3), name="other")
    assert refresh(workspace, [folder.id]) is None
    assert asked == []


def test_a_reader_waits_no_longer_than_it_says_and_tells_how_old_its_answer_is(
    workspace: Workspace, asked: list[Workspace]
) -> None:
    folder = add_folder(workspace, epochs_log(0, 3))
    moment = time.time() - 40
    for path in (folder.spec, folder.attempt(1).console):
        os.utime(path, (moment, moment))
    began = time.monotonic()
    lag = refresh(workspace, wait_seconds=0.4)
    assert 0.3 < time.monotonic() - began < 3
    assert lag is not None
    assert 39 < lag.seconds < 60


@pytest.mark.indexer_process
def test_the_indexer_is_a_process_of_its_own_and_is_woken_by_who_needs_it(workspace: Workspace) -> None:
    add_folder(workspace, epochs_log(0, 3), name="first")
    refresh(workspace, wait_seconds=30)
    assert [run.epochs_done for run in list_runs(workspace)] == [4]
    until(lambda: workspace.indexer_lock.read_text())
    pid = workspace.indexer_lock.read_text()
    for number in range(3):
        tag_run(workspace, "first", [f"tag{number}"])
        began = time.monotonic()
        assert refresh(workspace, wait_seconds=30) is None
        assert time.monotonic() - began < 2.5, "it does not wait for its next look at all runs"
    assert list_runs(workspace)[0].tags == ("tag0", "tag1", "tag2")
    assert workspace.indexer_lock.read_text() == pid


@pytest.mark.indexer_process
def test_a_live_run_has_an_indexer_again_after_it_was_killed(workspace: Workspace) -> None:
    run_id = train(workspace, 60, 0.5)
    ensure_indexer(workspace)
    until(lambda: (find_run(workspace, run_id).epochs_done or 0) >= 1)
    os.kill(int(workspace.indexer_lock.read_text()), signal.SIGKILL)
    until(lambda: not indexer_is_at_work(workspace))
    done = find_run(workspace, run_id).epochs_done or 0
    until(lambda: (find_run(workspace, run_id).epochs_done or 0) >= min(done + 2, 60), 90)
    assert indexer_is_at_work(workspace)


def test_a_tag_on_a_live_run_is_there_at_once(workspace: Workspace, asked: list[Workspace]) -> None:
    run_id = train(workspace, 60, 0.5)
    update_index(workspace)
    tag_run(workspace, run_id, ["good"])
    (run,) = list_runs(workspace)
    assert run.tags == ("good",)


def test_an_older_database_is_migrated_by_the_indexer_not_by_who_reads(
    workspace: Workspace, asked: list[Workspace], tmp_path: Path
) -> None:
    import sqlite3

    add_folder(workspace, epochs_log(0, 3))
    update_index(workspace)
    with sqlite3.connect(workspace.database) as file:
        file.executescript("DROP TABLE index_state; DROP TABLE run_change; DROP TABLE broken_run; DROP TABLE epoch_change;")
        for column in ("curve_start", "curve_step", "curve_end"):
            file.execute(f"ALTER TABLE run_summary DROP COLUMN {column}")
        file.execute("UPDATE alembic_version SET version_num = '0003'")
    file.close()
    lag = refresh(workspace, wait_seconds=0)
    assert lag is not None
    assert not list(workspace.path.glob("*.before-*"))
    update_index(workspace)
    assert (refresh(workspace), [run.epochs_done for run in list_runs(workspace)]) == (None, [4])
    assert list(workspace.path.glob("*.before-*")), "a copy of what was there"


@pytest.mark.indexer_process
def test_a_log_that_never_stops_growing_is_not_waited_for(workspace: Workspace) -> None:
    argv = [sys.executable, "-c", "import time\nwhile True: print('talk' * 9, flush=True), time.sleep(0.001)"]
    run_id = launch_command(workspace, argv, name="talk", cwd=workspace.path).id
    ensure_indexer(workspace)
    until(lambda: find_run(workspace, run_id).lines_not_understood > 0)
    for _ in range(3):
        assert refresh(workspace) is None
