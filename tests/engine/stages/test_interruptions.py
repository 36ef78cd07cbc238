"""A training that is killed or stopped, and resumed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from engine.models.checkpoint import Checkpoint, load_checkpoint
from tests.engine.stages.toy import (
    TRAINING,
    Done,
    arguments,
    command,
    environment,
    epochs_of,
    refusal,
    run_stage,
    stage_once,
)
from tests.waiting import wait_until

EPOCHS = 3
PATIENCE_SECONDS = 60


class Running:
    """A stage that has been started, its log growing in a file."""

    def __init__(self, name: str, folder: Path, *given: object) -> None:
        folder.parent.mkdir(exist_ok=True)
        self.path = folder.parent / f"{folder.name}.log"
        with self.path.open("wb") as log:
            self.process = subprocess.Popen(
                command(name, folder, *given), stdout=log, stderr=log, env=environment(), cwd=folder.parent
            )

    @property
    def log(self) -> str:
        return self.path.read_bytes().decode(errors="replace")

    def wait_for(self, text: str, after: str = "") -> None:
        def is_printed() -> bool:
            if text in (self.log.partition(after)[2] if after else self.log):
                return True
            assert self.process.poll() is None, self.log
            return False

        wait_until(is_printed, PATIENCE_SECONDS, describe=lambda: self.log, poll_seconds=0.01)

    def wait_for_epoch(self, epoch: int) -> None:
        """Until the epoch before is saved and this one's header is printed."""
        saved = f'"event": "epoch", "epoch": {epoch - 1},'
        self.wait_for(saved)
        self.wait_for("gpu_mem", after=saved)

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def short(toy_data: Path) -> list[object]:
    """With SGD, and the warm-up still under way when it ends."""
    changed = {"--data": toy_data, "--hyp": "hyp.shapes.yaml", "--width": 0.125, "--epochs": EPOCHS, "--batch-size": 4}
    return [*arguments({**TRAINING, **changed}), "--no-adam"]


@pytest.fixture(scope="module")
def undisturbed(short: list[object], tmp_path_factory: pytest.TempPathFactory) -> Done:
    return stage_once(tmp_path_factory, "undisturbed", "retrain", *short)


@pytest.fixture
def left_alone() -> Iterator[list[Running]]:
    """Whatever a failing test leaves running is ended."""
    running: list[Running] = []
    yield running
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.mark.slow
def test_a_resumed_training_ends_as_if_nothing_had_happened(
    undisturbed: Done, short: list[object], tmp_path: Path, left_alone: list[Running]
) -> None:
    folder = tmp_path / "run"
    killed = Running("retrain", folder, *short)
    left_alone.append(killed)
    killed.wait_for_epoch(1)
    assert killed.stop(signal.SIGKILL) == -signal.SIGKILL

    stopped = Running("retrain", folder, *short, "--resume")
    left_alone.append(stopped)
    stopped.wait_for_epoch(2)
    assert stopped.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    assert "Stopped by SIGTERM; saved files are kept." in stopped.log
    assert "Traceback" not in stopped.log
    assert not list(folder.rglob("*.tmp"))
    assert not (folder / "result.json").exists()
    assert load_checkpoint(folder / "weights" / "last.pt").epoch == 1

    done = run_stage("retrain", folder, *short, "--resume")
    assert done.code == 0, done.log
    assert f"Resuming training from {folder}/weights/last.pt" in done.log
    assert [row.epoch for row, _ in epochs_of(done.facts)] == [2]
    assert (folder / "results.txt").read_text() == (undisturbed.folder / "results.txt").read_text()
    for name in ("last", "best"):
        assert_same_weights(folder / "weights" / f"{name}.pt", undisturbed.folder / "weights" / f"{name}.pt")
    assert done.result.evaluations[-1].metrics == undisturbed.result.evaluations[-1].metrics
    assert done.result.details["best_epoch"] == undisturbed.result.details["best_epoch"]


def test_a_finished_training_is_not_resumed(undisturbed: Done, short: list[object], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(undisturbed.folder / "weights", folder / "weights")
    message = refusal("retrain", folder, *short, "--resume")
    assert message == (
        f"{folder}/weights/last.pt: the training to {EPOCHS} epochs is finished, there is nothing to resume"
    )


def test_ctrl_c_ends_the_workers_too(short: list[object], tmp_path: Path, left_alone: list[Running]) -> None:
    running = Running("retrain", tmp_path / "run", *short, "--workers", 2)
    left_alone.append(running)
    running.wait_for(f"\r{f'0/{EPOCHS - 1}':>10}")
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert len(children) == min(2, len(os.sched_getaffinity(0)))
    assert running.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert "Stopped by SIGINT; saved files are kept." in running.log
    assert "Traceback" not in running.log
    _, alive = psutil.wait_procs(children, 5)
    assert not alive
    assert not (tmp_path / "run" / "result.json").exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_stop_while_torch_is_being_loaded_is_a_stop(
    short: list[object], tmp_path: Path, left_alone: list[Running]
) -> None:
    running = Running("retrain", tmp_path / "run", *short)
    left_alone.append(running)
    running.wait_for("Namespace(")
    assert running.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert "Traceback" not in running.log


@pytest.mark.slow
def test_a_fine_tuning_that_was_killed_goes_on(
    tuned: Done, tuning: list[object], tmp_path: Path, left_alone: list[Running]
) -> None:
    folder = tmp_path / "run"
    killed = Running("qat", folder, *tuning)
    left_alone.append(killed)
    killed.wait_for('"event": "epoch", "epoch": 0,')
    assert killed.stop(signal.SIGKILL) == -signal.SIGKILL
    done = run_stage("qat", folder, *tuning, "--resume")
    assert done.code == 0, done.log
    assert [row.epoch for row, _ in epochs_of(done.facts)] == [1]
    assert (folder / "results.txt").read_text() == (tuned.folder / "results.txt").read_text()
    assert done.result.details["ptq_fitness"] == tuned.result.details["ptq_fitness"]
    assert_same_weights(folder / "weights" / "last.pt", tuned.folder / "weights" / "last.pt")


@pytest.mark.slow
def test_averages_and_learned_ranges_go_on_too(tuning: list[object], tmp_path: Path, left_alone: list[Running]) -> None:
    options = [*tuning, "--lsq", "--ema", 0.9]
    whole = run_stage("qat", tmp_path / "whole", *options)
    folder = tmp_path / "run"
    killed = Running("qat", folder, *options)
    left_alone.append(killed)
    killed.wait_for('"event": "epoch", "epoch": 0,')
    killed.stop(signal.SIGKILL)
    message = refusal("qat", folder, *tuning, "--resume")
    assert "last.pt was fine-tuned with lsq True, this is False" in message
    done = run_stage("qat", folder, *options, "--resume")
    assert done.code == 0, done.log
    assert (folder / "results.txt").read_text() == (whole.folder / "results.txt").read_text()
    assert_same_weights(folder / "weights" / "last.pt", whole.folder / "weights" / "last.pt")


def test_nothing_to_resume(short: list[object], tmp_path: Path) -> None:
    message = refusal("retrain", tmp_path / "run", *short, "--resume")
    assert message == (
        f"{tmp_path}/run/weights: there is nothing to resume: no last.pt\n  Start the run without --resume."
    )


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = load_checkpoint(one), load_checkpoint(other)
    for name in Checkpoint.__dataclass_fields__:
        if name not in ("model_state", "meta"):
            assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.model_state.keys() == theirs.model_state.keys()
    assert all(torch.equal(value, theirs.model_state[key]) for key, value in ours.model_state.items())
