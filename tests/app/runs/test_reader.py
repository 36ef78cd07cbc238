"""Reading runs: what the store holds, with the states of live runs as their processes show them."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from app.indexing.service import update_index
from app.launching.stop import run_status
from app.runs.reader import data_version, find_run, get_detail, group_details, list_runs
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.states import RunState
from tests.app.indexing.index_fixtures import add_folder, epochs_log, train, until, wait, workspace
from tests.waiting import paced

__all__ = ["workspace"]


def change_spec(folder: RunFolder, **changes: object) -> None:
    RunSpec.read(folder.spec).model_copy(update=changes).write(folder.spec)


def test_an_empty_workspace_has_no_runs(workspace: Workspace) -> None:
    assert list_runs(workspace) == []
    with pytest.raises(YoloqatError, match="there is no run 'relu'"):
        get_detail(workspace, "relu")


def test_the_newest_run_is_first_and_the_archived_ones_are_asked_for(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    for age, name in ((2, "middle"), (3, "oldest"), (1, "newest")):
        change_spec(add_folder(workspace, epochs_log(0, 1), name=name), created_at=now - timedelta(hours=age))
    assert [run.name for run in list_runs(workspace)] == ["newest", "middle", "oldest"]
    hidden = workspace.run(find_run(workspace, "middle").id)
    hidden.user.write_text(json.dumps({"archived": True}))
    assert [run.name for run in list_runs(workspace)] == ["newest", "oldest"]
    assert [run.name for run in list_runs(workspace, archived=True)] == ["newest", "middle", "oldest"]


def test_a_time_without_a_zone_and_one_of_another_zone_are_in_utc(workspace: Workspace) -> None:
    folder = add_folder(workspace, epochs_log(0, 1))
    for text in ("2026-01-02T03:04:05", "2026-01-02T05:04:05+02:00"):
        change_spec(folder, created_at=datetime.fromisoformat(text))
        assert list_runs(workspace)[0].created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_runs_of_a_group_oldest_first(workspace: Workspace) -> None:
    for name in ("retrain", "ptq", "alone"):
        folder = add_folder(workspace, epochs_log(0, 1), name=name)
        change_spec(folder, group=None if name == "alone" else "chain", step=name)
    details = group_details(workspace, "chain")
    assert sorted(detail.run.name for detail in details) == ["ptq", "retrain"]
    assert [detail.run.id for detail in details] == sorted(detail.run.id for detail in details)
    assert all(len(detail.epochs) == 2 for detail in details)


def test_a_run_whose_processes_were_killed_is_not_shown_as_running(workspace: Workspace) -> None:
    """Nobody writes an outcome then, and no indexer is at work."""
    run_id = train(workspace, 100, 0.2)
    process = workspace.run(run_id).attempt(1).process
    until(lambda: (find_run(workspace, run_id).epochs_done or 0) >= 1)
    record = ProcessRecord.read(process)
    assert record is not None
    assert record.stage is not None
    for pid in (record.runner.pid, record.stage.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not run_status(workspace, run_id).state.is_live)
    for run in (find_run(workspace, run_id), list_runs(workspace)[0]):
        assert run.state is run_status(workspace, run_id).state
        assert run.state in (RunState.LOST, RunState.ENDED, RunState.KILLED)
        assert run.progress is None
        assert run.eta_seconds is None
        assert run.epochs_done


def test_a_folder_without_anything_in_it_is_a_run_that_was_never_launched(workspace: Workspace) -> None:
    folder = workspace.run("20260102-030405-abcd")
    folder.path.mkdir()
    assert list_runs(workspace) == [], "a folder is a run once it has a specification"
    RunSpec(id=folder.id, name="bare", stage=COMMAND).write(folder.spec)
    (run,) = list_runs(workspace)
    assert (run.name, run.state, run.attempt) == ("bare", RunState.COULD_NOT_START, 0)
    assert get_detail(workspace, "bare").epochs == ()


def test_the_number_of_the_store_changes_with_its_rows(workspace: Workspace) -> None:
    assert data_version(workspace) == data_version(workspace)
    run_id = train(workspace, 3, paced(0.3))
    seen = set()
    while run_status(workspace, run_id).state.is_live:
        update_index(workspace)
        seen.add((data_version(workspace), find_run(workspace, run_id).epochs_done))
    wait(workspace, run_id)
    find_run(workspace, run_id)
    by_epochs: dict[int | None, set[int]] = {}
    for version, epochs in seen:
        by_epochs.setdefault(epochs, set()).add(version)
    assert len(by_epochs) > 2
    assert len(set.union(*by_epochs.values())) >= len(by_epochs)
