"""Holding, releasing and pausing jobs."""

import sys
import time

import pytest

from engine.contracts.states import RunState
from tests.app.cli.slurm.conftest import Jobs

TRAINER = """
import pathlib, sys, time
print("Logging results to runs/train/exp", flush=True)
weights = pathlib.Path("runs/train/exp/weights")
weights.mkdir(parents=True, exist_ok=True)
last = weights / "last.pt"
start = int(last.read_text()) + 1 if "--resume" in sys.argv else 0
for epoch in range(start, 8):
    print(("%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size"))
    print(("%10s" * 2 + "%10.4g" * 6) % (f"{epoch}/7", "1.2G", 0.1, 0.02, 0.01, 0.13, 12, 640) + ": 100%|##| 2/2")
    print(("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95"))
    print(("%20s" + "%12i" * 2 + "%12.3g" * 4) % ("all", 128, 900, 0.5, 0.4, 0.3, 0.2), flush=True)
    last.write_text(str(epoch))
    time.sleep(1 if epoch < 3 else 6 if "--resume" not in sys.argv else 0)
"""


def test_a_job_that_waits_is_held_and_released(batch: Jobs) -> None:
    running = batch.run("until [ -e go ]; do sleep 0.1; done", "--slurm", "cpus=4", name="first")
    batch.until_state(running, RunState.RUNNING)
    waiting = batch.run("echo mine", "--slurm", "cpus=4", name="second")
    batch.until_state(waiting, RunState.QUEUED)
    assert batch.cli("hold", "second").code == 0
    batch.until_reason(waiting, "Slurm: held")
    batch.open_gate()
    batch.until_state(running, RunState.SUCCEEDED)
    time.sleep(2)
    assert batch.status(waiting).state is RunState.QUEUED
    refused = batch.cli("move", "second", "--first")
    assert refused.code == 2
    assert "Slurm decides when it starts" in refused.err
    assert batch.cli("release", "second").code == 0
    batch.until_state(waiting, RunState.SUCCEEDED, 60)
    assert batch.cli("release", "second").code == 2


@pytest.mark.slow
def test_a_paused_training_frees_its_job_and_goes_on_from_its_checkpoint(batch: Jobs) -> None:
    (batch.cli.directory / "train.py").write_text(TRAINER)
    file = batch.cli.directory / "pipeline.yaml"
    file.write_text(
        f"name: chain\nexecutor: slurm\nstages:\n  train: {{command: ['{sys.executable}', train.py]}}\n"
        "  after: {command: [echo, done], needs: [train]}\n"
    )
    runs = batch.pipeline(file.read_text())
    train, after = runs["train"], runs["after"]
    batch.until(lambda: batch.console(train).count("all ") >= 2)
    assert batch.cli("pause", "chain-train").code == 0
    batch.until(lambda: batch.cli.workspace.run(train).attempt(2).slurm.exists(), 40)
    batch.until_reason(train, "paused: `yoloqat resume` continues it")
    assert batch.slurm.shown(batch.job_id(train, 2))["Reason"] == "JobHeldUser"
    batch.until_job(train, "FAILED")  # the resources of the first job are free
    assert batch.cli("resume", "chain-train").code == 0
    assert batch.until_state(train, RunState.SUCCEEDED, 60).attempt == 2
    epochs = [epoch["epoch"] for epoch in batch.cli("show", "chain-train", "--json").json()["epochs"]]
    assert epochs == list(range(8))
    assert "--resume" in batch.cli.workspace.run(train).attempt(2).launch.read_text()
    batch.until_state(after, RunState.SUCCEEDED, 60)
