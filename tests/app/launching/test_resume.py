"""A run that did not come to its end goes on as its next attempt."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from app.launching.launch import launch_command, launch_stage
from app.launching.requeue import requeue
from app.launching.resume import PAUSED, resume_group, resume_run
from app.launching.stop import end_after_epoch, pause_run, run_status, stop_run
from app.runs.reader import get_detail, wait_until_indexed
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.options.retrain import RetrainOptions
from engine.contracts.options.shapes import ShapesOptions
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.states import RunState
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from engine.supervise.state.status import read_state
from tests.waiting import wait_until

TRAINER = Path(__file__).with_name("foreign_trainer.py")
EPOCHS = 4


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    yield made
    for folder in made.run_folders():
        stop_run(made, folder.id, now=True)


def wait(until: Callable[[], object], seconds: float = 60.0) -> None:
    wait_until(until, seconds)


def ended(workspace: Workspace, run_id: str) -> RunState:
    wait(lambda: not run_status(workspace, run_id).state.is_live)
    wait_until_indexed(workspace, run_id)
    return run_status(workspace, run_id).state


def console(workspace: Workspace, run_id: str, attempt: int = 1) -> str:
    path = workspace.run(run_id).attempt(attempt).console
    return path.read_text(errors="replace") if path.exists() else ""


def kill_stage(workspace: Workspace, run_id: str) -> None:
    process = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
    assert process is not None
    assert process.stage is not None
    os.kill(process.stage.pid, signal.SIGKILL)


def epochs(workspace: Workspace, run_id: str) -> list[tuple[int, int]]:
    """Attempt and number of each epoch, as the curve is drawn."""
    return [(epoch.attempt, epoch.epoch) for epoch in get_detail(workspace, run_id).epochs]


def foreign_training(workspace: Workspace, tmp_path: Path, sample_seconds: float = 5.0, *, holds: bool = False) -> str:
    """A foreign training that runs."""
    folder = tmp_path / "yolov7"
    folder.mkdir()
    shutil.copyfile(TRAINER, folder / "train.py")
    if holds:
        (folder / "hold").touch()
    argv = [sys.executable, "train.py", "--epochs", "6"]
    spec = RunSpec(id=new_run_id(), name="relu", stage=COMMAND, command=argv, cwd=str(folder))
    launch(workspace, spec, sample_seconds=sample_seconds)
    return spec.id


@pytest.fixture
def foreign(workspace: Workspace, tmp_path: Path) -> str:
    return foreign_training(workspace, tmp_path, holds=True)


def test_a_killed_foreign_training_goes_on_from_its_last_checkpoint(workspace: Workspace, foreign: str) -> None:
    wait(lambda: "1/5" in console(workspace, foreign))
    kill_stage(workspace, foreign)
    assert ended(workspace, foreign) is RunState.KILLED
    resumed = resume_run(workspace, "relu")
    assert resumed.attempt == 2
    assert resumed.checkpoint is not None
    assert resumed.checkpoint.name == "last.pt"
    assert ended(workspace, foreign) is RunState.SUCCEEDED
    seen = epochs(workspace, foreign)
    assert [epoch for _, epoch in seen] == [0, 1, 2, 3, 4, 5], "no epoch twice, none missing"
    assert seen[0][0] == 1
    assert seen[-1][0] == 2
    assert "0/5" not in console(workspace, foreign, 2), "it did not begin anew"
    with pytest.raises(YoloqatError, match="has succeeded"):
        resume_run(workspace, foreign)


def test_what_is_not_known_to_go_on_says_so_and_can_begin_anew(workspace: Workspace, tmp_path: Path) -> None:
    run_id = launch_command(workspace, ["sh", "-c", "echo hi; exit 3"], name="other", cwd=tmp_path).id
    assert ended(workspace, run_id) is RunState.FAILED
    with pytest.raises(YoloqatError, match="cannot resume: this command is not a trainer that can be resumed"):
        resume_run(workspace, run_id)
    assert resume_run(workspace, run_id, anew=True).attempt == 2
    assert ended(workspace, run_id) is RunState.FAILED
    assert console(workspace, run_id, 2) == "hi\n"


def test_a_training_without_a_checkpoint_says_which_file_is_missing(
    workspace: Workspace, foreign: str, tmp_path: Path
) -> None:
    wait(lambda: "0/5" in console(workspace, foreign))
    stop_run(workspace, foreign, now=True)
    ended(workspace, foreign)
    (tmp_path / "yolov7" / "runs" / "train" / "exp" / "weights" / "last.pt").unlink(missing_ok=True)
    with pytest.raises(YoloqatError, match=r"left no last\.pt"):
        resume_run(workspace, foreign)


def test_a_foreign_command_is_not_asked_to_end_after_an_epoch(workspace: Workspace, foreign: str) -> None:
    wait(lambda: run_status(workspace, foreign).state is RunState.RUNNING)
    with pytest.raises(YoloqatError, match="only our own trainings"):
        end_after_epoch(workspace, foreign)
    with pytest.raises(YoloqatError, match="running"):
        resume_run(workspace, foreign)


@pytest.fixture
def training(workspace: Workspace, tmp_path: Path) -> str:
    """A small training of ours."""
    drawn = launch_stage(workspace, "shapes", ShapesOptions(train_images=48, val_images=8, image_size=64))
    assert ended(workspace, drawn.id) is RunState.SUCCEEDED
    hyp = yaml.safe_load((Path(__file__).parents[3] / "configs" / "hyp" / "hyp.shapes.yaml").read_text())
    (tmp_path / "hyp.yaml").write_text(yaml.safe_dump({**hyp, "nominal_batch": 8}))
    options = RetrainOptions(
        cfg="yolov7-tiny",
        data=str(workspace.run(drawn.id).path / "data" / "shapes.yaml"),
        hyp=str(tmp_path / "hyp.yaml"),
        width=0.0625,
        epochs=EPOCHS,
        batch_size=8,
        img_size=[64, 64],
        workers=0,
        device="cpu",
    )
    return launch_stage(workspace, "retrain", options, name="toy", cwd=tmp_path).id


@pytest.mark.slow
def test_a_training_of_ours_pauses_after_its_epoch_and_goes_on(workspace: Workspace, training: str) -> None:
    wait(lambda: "0/3" in console(workspace, training))
    assert pause_run(workspace, "toy") == "ends after this epoch"
    assert run_status(workspace, training).stopping == "ends after this epoch"
    wait(lambda: run_status(workspace, training).reason == PAUSED)
    status = run_status(workspace, training)
    assert (status.state, status.attempt) == (RunState.QUEUED, 2), "put back by its runner, with nothing else alive"
    assert read_state(workspace.run(training), workspace.run(training).attempt(1)).exit_code == 130
    first = epochs(workspace, training)
    assert first, "the epoch was finished"
    resumed = resume_group(workspace, "toy")
    assert resumed[0].attempt == 2
    assert resumed[0].checkpoint is not None
    assert ended(workspace, training) is RunState.SUCCEEDED
    seen = epochs(workspace, training)
    assert [epoch for _, epoch in seen] == list(range(EPOCHS))
    assert seen[: len(first)] == first, "what had been trained was not trained again"
    assert seen[len(first)][0] == 2
    assert console(workspace, training, 3) == ""


def test_a_foreign_training_pauses_at_its_next_checkpoint(workspace: Workspace, tmp_path: Path) -> None:
    run_id = foreign_training(workspace, tmp_path, sample_seconds=0.05)
    ptq = RunSpec(id=new_run_id(), name="ptq", stage=COMMAND, command=["true"], cwd=str(tmp_path), parents=[run_id])
    launch(workspace, ptq)
    child = ptq.id
    wait(lambda: "1/5" in console(workspace, run_id))
    assert pause_run(workspace, run_id) == "ends at its next checkpoint"
    assert run_status(workspace, run_id).stopping == "ends at its next checkpoint"
    wait(lambda: run_status(workspace, run_id).reason == PAUSED)
    first = workspace.run(run_id).attempt(1)
    assert read_state(workspace.run(run_id), first).reason == "paused at a checkpoint; signal 2 (SIGINT)"
    trained = epochs(workspace, run_id)
    assert len(trained) >= 2, "the epoch that it was in was not lost"
    assert run_status(workspace, child).reason == "waits for relu", "the child has not been given up meanwhile"
    resume_run(workspace, run_id)
    assert ended(workspace, run_id) is RunState.SUCCEEDED
    assert [epoch for _, epoch in epochs(workspace, run_id)] == [0, 1, 2, 3, 4, 5], "no epoch twice, none missing"
    assert ended(workspace, child) is RunState.SUCCEEDED
    assert run_status(workspace, child).attempt == 1


def test_a_pause_that_its_runner_did_not_survive_is_made_up_for(workspace: Workspace, tmp_path: Path) -> None:
    run_id = foreign_training(workspace, tmp_path)
    wait(lambda: "1/5" in console(workspace, run_id))
    process = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
    assert process is not None
    os.kill(process.runner.pid, signal.SIGKILL)
    wait(lambda: not run_status(workspace, run_id).runner_alive)
    assert pause_run(workspace, run_id) == "asked to stop"
    wait(lambda: run_status(workspace, run_id).reason == PAUSED)
    stop_run(workspace, run_id)
    assert ended(workspace, run_id) is RunState.STOPPED
    kill_pause_of(workspace, run_id)
    requeue(workspace)
    assert run_status(workspace, run_id).attempt == 3
    assert run_status(workspace, run_id).state is RunState.QUEUED


def kill_pause_of(workspace: Workspace, run_id: str) -> None:
    """As if whatever should have put the second attempt back had been killed before it could."""
    first, second = (workspace.run(run_id).attempt(number) for number in (1, 2))
    second.pause.write_bytes(first.pause.read_bytes())


def test_a_stop_after_a_pause_is_a_stop(workspace: Workspace, tmp_path: Path) -> None:
    run_id = foreign_training(workspace, tmp_path)
    wait(lambda: "0/5" in console(workspace, run_id))
    pause_run(workspace, run_id)
    stop_run(workspace, run_id, now=True)
    assert ended(workspace, run_id) is RunState.STOPPED
    requeue(workspace)
    assert run_status(workspace, run_id).attempt == 1


def test_what_cannot_be_paused_says_why_and_runs_on(workspace: Workspace, tmp_path: Path) -> None:
    run_id = launch_command(workspace, ["sleep", "60"], name="other", cwd=tmp_path).id
    wait(lambda: run_status(workspace, run_id).state is RunState.RUNNING)
    with pytest.raises(YoloqatError, match="cannot resume: this command is not a trainer that can be resumed"):
        pause_run(workspace, run_id)
    assert run_status(workspace, run_id).stopping == ""
    stop_run(workspace, run_id, now=True)
    ended(workspace, run_id)
    with pytest.raises(YoloqatError, match="it is stopped: there is nothing to pause"):
        pause_run(workspace, run_id)
