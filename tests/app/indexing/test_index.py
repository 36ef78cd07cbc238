"""The index follows the run folders: as they grow, when they change under it, and wherever it is killed."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from app.indexing.process import Loop
from app.indexing.service import ensure_indexer, reindex, update_index
from app.launching.launch import launch_command
from app.launching.resume import resume_run
from app.launching.stop import run_status
from app.runs.reader import data_version, find_run, get_detail, list_runs, wait_until_indexed
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.states import RunState
from tests.app.indexing.index_fixtures import (
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
from tests.db.rows import dump
from tests.engine.logs.printed import HEADER, bar, log, row
from tests.waiting import paced

__all__ = ["workspace"]


def console(folder: RunFolder) -> Path:
    return folder.attempt(1).console


def losses(workspace: Workspace, reference: str = "run") -> list[tuple[int, str]]:
    """Epochs and their box losses, after the index has been brought up to date."""
    update_index(workspace)
    return [(epoch.epoch, epoch.values["box"].text) for epoch in get_detail(workspace, reference).epochs]


def assert_rebuilt_alike(workspace: Workspace) -> None:
    """The rows are those that a fresh reading of the folders gives."""
    before = rows_of(workspace)
    reindex(workspace)
    assert dump(workspace.database) == before


def expected(epochs: range, loss: str = "0.05") -> list[tuple[int, str]]:
    return [(epoch, loss) for epoch in epochs]


def test_a_run_appears_as_it_prints(workspace: Workspace) -> None:
    run_id = train(workspace, 3, 1.0)
    (run,) = list_runs(workspace)
    assert run.state.is_live
    assert run.name == "train"
    seen = []
    while run_status(workspace, run_id).state.is_live:
        update_index(workspace)
        run = find_run(workspace, run_id)
        if run.state is RunState.RUNNING and run.progress is not None:
            seen.append((run.epochs_done or 0, run.progress.epoch, run.progress.done))
        time.sleep(0.05)
    assert any(entry[:2] == (0, 0) for entry in seen), "the bar inside the first epoch"
    assert any(done == 1 for done, _, _ in seen), "an epoch is there while the next one runs"
    assert seen == sorted(seen)
    wait_until_indexed(workspace, run_id)
    run = find_run(workspace, run_id)
    assert (run.state, run.epochs_done, run.epochs_total, run.best_epoch) == (RunState.SUCCEEDED, 3, 3, 2)


def test_the_detail_of_a_run_that_nobody_followed_is_whole(workspace: Workspace) -> None:
    run_id = train(workspace, 2, paced(0.2))
    assert list_runs(workspace)[0].state.is_live
    wait(workspace, run_id)
    detail = get_detail(workspace, run_id)
    assert detail.run.state is RunState.SUCCEEDED
    assert [epoch.epoch for epoch in detail.epochs] == [0, 1]


def test_a_run_that_goes_on_is_shown_as_running_at_once(workspace: Workspace) -> None:
    """Before the index has noticed its new attempt."""
    script = "if [ -e mark ]; then sleep 60; fi; touch mark; exit 3"
    run_id = launch_command(workspace, ["sh", "-c", script], name="again", cwd=workspace.path).id
    wait(workspace, run_id)
    wait_until_indexed(workspace, run_id)
    assert (find_run(workspace, run_id).state, find_run(workspace, run_id).attempt) == (RunState.FAILED, 1)
    resume_run(workspace, run_id, anew=True)
    run = find_run(workspace, run_id)
    assert (run.state.is_live, run.attempt) == (True, 2)
    assert run.reason != "exit code 3"
    assert list_runs(workspace)[0].state.is_live


def start_indexer(workspace: Workspace) -> int:
    """An indexer in a process of its own that needs no time to start; its pid."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            Loop(workspace).run()
            code = 0
        finally:
            os._exit(code)
    return child


def index_and_die(workspace: Workspace, seconds: float) -> None:
    """An indexer is killed after a while, wherever it is."""
    child = start_indexer(workspace)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_an_indexer_killed_at_any_moment_loses_and_doubles_nothing(workspace: Workspace) -> None:
    epochs, chance = 60, random.Random(7)
    run_id = train(workspace, epochs, paced(0.06))
    update_index(workspace)
    kills, counts = 0, set()
    while run_status(workspace, run_id).state.is_live:
        index_and_die(workspace, chance.uniform(0.0, paced(0.12)))
        kills += 1
        rows = dump(workspace.database)
        numbers = [epoch for _, _, epoch, _ in rows["epoch"]]
        assert sorted(numbers) == list(range(len(numbers))), "without a gap and each once"
        whole = {epoch for _, _, epoch, key, *_ in rows["metric"] if key == "box"}
        assert whole == set(numbers), "with their numbers"
        counts.add(len(numbers))
    assert kills > 5
    assert len(counts) > 2, "they were killed while rows came"
    detail = get_detail(workspace, run_id)
    assert [epoch.epoch for epoch in detail.epochs] == list(range(epochs))
    assert all({"box", "mAP@.5:.95"} <= set(epoch.values) for epoch in detail.epochs)
    assert [event.kind for event in detail.events] == ["training started", "training completed"]
    assert_rebuilt_alike(workspace)


def test_a_log_that_grows_byte_by_byte_under_many_readers(workspace: Workspace) -> None:
    """Each look is a new reader that knows only what the database holds."""
    text = epochs_log(0, 1)
    folder = add_folder(workspace, b"")
    for end in range(0, len(text), 29):
        console(folder).write_bytes(text[:end])
        update_index(workspace)
    console(folder).write_bytes(text)
    assert losses(workspace) == expected(range(2))
    assert_rebuilt_alike(workspace)


@pytest.mark.parametrize(
    ("new", "epochs", "loss"),
    [
        (epochs_log(0, 1), range(2), "0.05"),
        (epochs_log(0, 3, loss=0.03), range(4), "0.03"),
        (epochs_log(0, 7, loss=0.03), range(8), "0.03"),
        (epochs_log(0, 7), range(8), "0.05"),
        (epochs_log(0, 3)[:-40] + epochs_log(4, 7), range(8), "0.05"),
        (b"", range(0), ""),
    ],
    ids=["truncated", "another of the same size", "another and longer", "grown", "rewritten at its end", "emptied"],
)
def test_a_log_that_is_another_one_now_is_read_again(
    workspace: Workspace, new: bytes, epochs: range, loss: str
) -> None:
    folder = add_folder(workspace, epochs_log(0, 3))
    assert losses(workspace) == expected(range(4))
    console(folder).write_bytes(new)
    assert losses(workspace) == expected(epochs, loss)
    assert_rebuilt_alike(workspace)


def test_a_log_that_is_deleted_takes_its_rows_with_it_and_comes_back(workspace: Workspace) -> None:
    folder = add_folder(workspace, epochs_log(0, 3))
    assert losses(workspace) == expected(range(4))
    console(folder).unlink()
    assert losses(workspace) == []
    console(folder).write_bytes(epochs_log(0, 1))
    assert losses(workspace) == expected(range(2))


def test_a_reader_at_work_notices_that_the_log_is_another_one(workspace: Workspace) -> None:
    """As when a live run's log is truncated by hand: the reader has it open in its memory, not on the disk."""
    from app.indexing.indexer import Indexer
    from db.open import open_store

    folder = add_folder(workspace, epochs_log(0, 3))
    store = open_store(workspace.database)
    indexer = Indexer(workspace, store)
    for text, epochs in ((epochs_log(0, 3), 4), (epochs_log(0, 1), 2), (epochs_log(0, 5, 0.03), 6), (b"", 0)):
        console(folder).write_bytes(text)
        assert indexer.index_runs(everywhere=True) == 0
        assert len(dump(workspace.database)["epoch"]) == epochs
    store.close()


def test_the_last_line_counts_without_its_line_feed_once_nothing_can_follow(workspace: Workspace) -> None:
    add_folder(workspace, epochs_log(0, 1) + log(HEADER, f"{row(2, 9)}: {bar(3, 3)}").rstrip())
    assert losses(workspace) == expected(range(3))


def test_a_later_attempt_covers_an_earlier_one(workspace: Workspace) -> None:
    folder = add_folder(workspace, epochs_log(0, 5))
    assert losses(workspace) == expected(range(6))
    again = folder.attempt(2)
    again.path.mkdir()
    again.console.write_bytes(epochs_log(4, 9, loss=0.03))
    assert losses(workspace) == [*expected(range(4)), *expected(range(4, 10), "0.03")]
    run = find_run(workspace, folder.id)
    assert (run.attempt, run.epochs_done, run.best_epoch) == (2, 10, 9)
    assert_rebuilt_alike(workspace)


def test_a_log_that_an_older_parser_has_read_is_read_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.logs.version.VERSION", 0)
    monkeypatch.setattr("engine.logs.parser.LogParser.feed", lambda parser, chunk: [])
    add_folder(workspace, epochs_log(0, 3))
    assert losses(workspace) == []
    monkeypatch.undo()
    assert losses(workspace) == expected(range(4))
    assert_rebuilt_alike(workspace)


def test_what_people_say_of_a_run_is_shown(workspace: Workspace) -> None:
    folder = add_folder(workspace, evaluated_log(), name="stage")
    assert find_run(workspace, "stage").tags == ()
    add_result(folder)
    update_index(workspace)
    run = find_run(workspace, "renamed")
    assert (run.name, run.tags) == ("renamed", ("z", "a"))
    folder.user.write_text(json.dumps({"archived": True, "tags": ["\ud800"], "notes": 5}))
    assert list_runs(workspace) == []
    (run,) = list_runs(workspace, archived=True)
    assert (run.name, run.tags, run.notes) == ("stage", ("\\ud800",), "5")


@pytest.mark.parametrize("user", [b"", b"{", b"[]", b'{"name": 5, "tags": "x"}', b"\xff\xfe"])
def test_a_broken_user_file_is_passed_over(workspace: Workspace, user: bytes) -> None:
    folder = add_folder(workspace, epochs_log(0, 1))
    folder.user.write_bytes(user)
    (run,) = list_runs(workspace)
    assert (run.name, run.tags, run.epochs_done) == ("run", (), 2)


@pytest.mark.parametrize("spec", [b"", b"{", b"id: 5\n", b"\xff\xfe\x00", b"[1, 2]"])
def test_one_broken_run_does_not_keep_the_others_from_being_read(workspace: Workspace, spec: bytes) -> None:
    broken = add_folder(workspace, epochs_log(0, 1), name="broken")
    good = broken.spec.read_bytes()
    broken.spec.write_bytes(spec)
    add_folder(workspace, epochs_log(0, 3), name="good")
    stages = {run.stage: run for run in list_runs(workspace)}
    assert len(stages) == 2
    assert stages["damaged"].reason.startswith("spec.yaml is damaged: ")
    assert stages["damaged"].epochs_done == 2, "its log is read without"
    assert losses(workspace, "good") == expected(range(4))
    broken.spec.write_bytes(good)
    assert losses(workspace, "broken") == expected(range(2))


def test_a_folder_that_is_deleted_takes_its_rows_with_it(workspace: Workspace) -> None:
    import shutil

    add_folder(workspace, epochs_log(0, 1), name="stays")
    before = rows_of(workspace)
    gone = add_folder(workspace, epochs_log(0, 3), name="goes")
    add_result(gone)
    assert len(list_runs(workspace)) == 2
    shutil.rmtree(gone.path)
    assert [run.name for run in list_runs(workspace)] == ["stays"]
    assert dump(workspace.database) == before


def test_a_look_without_news_writes_nothing(workspace: Workspace) -> None:
    add_result(add_folder(workspace, epochs_log(0, 3)))
    update_index(workspace)
    version = data_version(workspace)
    content = workspace.database.read_bytes()
    update_index(workspace)
    list_runs(workspace)
    assert (data_version(workspace), workspace.database.read_bytes()) == (version, content)


def test_there_is_one_indexer_whoever_asks_for_it(workspace: Workspace) -> None:
    run_id = train(workspace, 3, 0.4)
    ensure_indexer(workspace)
    until(lambda: workspace.indexer_lock.read_text())
    pid = workspace.indexer_lock.read_text()
    for _ in range(2):
        ensure_indexer(workspace)
    wait(workspace, run_id)
    until(lambda: workspace.database.exists() and len(dump(workspace.database).get("epoch", [])) == 3)
    assert workspace.indexer_lock.read_text() == pid, "the others have left it to the first"
    assert indexer_is_at_work(workspace)
    assert "Traceback" not in (workspace.path / "indexer.log").read_text()


def test_an_indexer_goes_when_nothing_runs_any_more(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.indexing.process.IDLE_SECONDS", 0.5)
    train(workspace, 3, 0.4)
    child = start_indexer(workspace)
    assert os.waitpid(child, 0) == (child, 0)
    assert not indexer_is_at_work(workspace)
    assert [epoch for _, _, epoch, _ in dump(workspace.database)["epoch"]] == [0, 1, 2]


def test_an_indexer_that_is_asked_for_while_it_is_about_to_go_stays(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.indexing.process.IDLE_SECONDS", 0.5)
    child = start_indexer(workspace)
    until(lambda: indexer_is_at_work(workspace) and workspace.indexer_lock.read_text())
    ensure_indexer(workspace)
    run_id = train(workspace, 3, 0.4)
    assert os.waitpid(child, 0) == (child, 0)
    assert not run_status(workspace, run_id).state.is_live
    assert len(dump(workspace.database)["epoch"]) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_indexer_that_is_asked_to_go_goes_at_once(workspace: Workspace, number: signal.Signals) -> None:
    train(workspace, 100, 1.0)
    child = start_indexer(workspace)
    until(lambda: workspace.database.exists() and dump(workspace.database).get("run"))
    began = time.monotonic()
    os.kill(child, number)
    assert os.waitpid(child, 0) == (child, 0)
    assert time.monotonic() - began < 2
