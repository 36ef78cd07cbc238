"""However a run has ended: its state and reason are told, and it can be renamed, marked, archived and deleted."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.following.log_tail import log_tail
from app.indexing.service import reindex
from app.launching.stop import run_status, stop_run
from app.runs.annotations import archive_run, note_run, rename_run, tag_run
from app.runs.reader import find_run, list_runs
from app.runs.trash import delete_runs, undelete_runs
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.states import RunState
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from tests.waiting import wait_until

LIVE = "echo started; exec sleep 60"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    yield made
    for folder in made.run_folders():
        stop_run(made, folder.id, now=True)


def until(true: Callable[[], object], seconds: float = 10) -> None:
    wait_until(true, seconds)


def start(workspace: Workspace, script: str, **fields: object) -> str:
    argv = ["sh", "-c", script] if script else ["/no/such/program"]
    given = {"id": new_run_id(), "name": "run", "stage": COMMAND, "command": argv, "cwd": "/", **fields}
    spec = RunSpec.model_validate(given)
    launch(workspace, spec)
    return spec.id


def kill(workspace: Workspace, run_id: str, *names: str) -> None:
    """SIGKILL to `runner` or `stage`, once the script has said that it is there."""
    attempt = workspace.run(run_id).attempt(1)
    until(lambda: attempt.console.exists() and b"started" in attempt.console.read_bytes())
    process = ProcessRecord.read(attempt.process)
    assert process is not None
    assert process.stage is not None
    for name in names:
        os.kill(getattr(process, name).pid, signal.SIGKILL)


def succeeded(workspace: Workspace) -> str:
    return start(workspace, "echo started")


def failed(workspace: Workspace) -> str:
    return start(workspace, "echo started; exit 3")


def without_artifact(workspace: Workspace) -> str:
    return start(workspace, "echo started", artifacts={"best": "weights/best.pt"})


def killed(workspace: Workspace) -> str:
    run_id = start(workspace, LIVE)
    kill(workspace, run_id, "stage")
    return run_id


def out_of_memory(workspace: Workspace) -> str:
    return start(workspace, "echo started; echo 'torch.OutOfMemoryError: CUDA out of memory.'; exit 1")


def stopped(workspace: Workspace) -> str:
    run_id = start(workspace, LIVE)
    stop_run(workspace, run_id)
    return run_id


def ended(workspace: Workspace) -> str:
    run_id = start(workspace, LIVE)
    kill(workspace, run_id, "runner", "stage")
    return run_id


def lost(workspace: Workspace) -> str:
    run_id = start(workspace, LIVE, stage="retrain")
    kill(workspace, run_id, "runner", "stage")
    return run_id


def could_not_start(workspace: Workspace) -> str:
    return start(workspace, "")


def dependency_failed(workspace: Workspace) -> str:
    return start(workspace, "true", name="child", parents=[failed(workspace)])


@pytest.mark.parametrize(
    ("end", "state", "reason"),
    [
        (succeeded, RunState.SUCCEEDED, ""),
        (failed, RunState.FAILED, "exit code 3"),
        (without_artifact, RunState.FAILED, "exit code 0, but weights/best.pt is missing"),
        (killed, RunState.KILLED, "signal 9 (SIGKILL)"),
        (out_of_memory, RunState.OUT_OF_MEMORY, "exit code 1; memory ran out, as the log says"),
        (stopped, RunState.STOPPED, "stopped"),
        (ended, RunState.ENDED, "exit code unknown, its runner was lost; the log ends with: started"),
        (lost, RunState.LOST, "exit code unknown, its runner was lost; the log ends with: started"),
        (could_not_start, RunState.COULD_NOT_START, "the program '/no/such/program' cannot be used"),
        (dependency_failed, RunState.DEPENDENCY_FAILED, "run failed: exit code 3"),
    ],
)
def test_an_end_is_told_and_the_run_stays_its_owners(
    workspace: Workspace, end: Callable[[Workspace], str], state: RunState, reason: str
) -> None:
    run_id = end(workspace)
    until(lambda: not run_status(workspace, run_id).state.is_live, 5)
    told = {run.id: run for run in list_runs(workspace)}[run_id]
    assert told.state is state
    assert told.reason.startswith(reason)
    if end not in (could_not_start, dependency_failed, stopped):
        assert "started" in log_tail(workspace, run_id, lines=5)
    rename_run(workspace, run_id, "renamed")
    tag_run(workspace, run_id, ["seen"])
    note_run(workspace, run_id, "why it ended")
    archive_run(workspace, run_id)
    reindex(workspace)
    assert run_id not in [run.id for run in list_runs(workspace)]
    archived = find_run(workspace, "renamed")
    assert (archived.tags, archived.notes, archived.archived) == (("seen",), "why it ended", True)
    assert (archived.state, archived.reason) == (told.state, told.reason)
    delete_runs(workspace, [run_id])
    assert run_id not in [run.id for run in list_runs(workspace, archived=True)]
    undelete_runs(workspace)
    assert find_run(workspace, "renamed") == archived
