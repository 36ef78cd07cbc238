"""What Slurm puts back into its queue goes on as the run's next attempt."""

import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.states import RunState
from tests.app.cli.slurm.conftest import Jobs
from tests.conftest import REPOSITORY

TRAINER = REPOSITORY / "tests" / "app" / "launching" / "foreign_trainer.py"
SAVED = Path("runs/train/exp/weights/last.pt")


def train(batch: Jobs, *options: str, epochs: int = 6) -> str:
    shutil.copy(TRAINER, batch.cli.directory / "train.py")
    answer = batch.cli(
        *("run", "--executor", "slurm", "--name", "relu", *options),
        *("--", sys.executable, "train.py", "--epochs", str(epochs)),
    )
    assert answer.code == 0, answer.err
    run = answer.out.split()[0]
    batch.until((batch.cli.directory / SAVED).exists)
    return run


def start_again(batch: Jobs, run: str) -> None:
    """Slurm waits two minutes before it starts a job again; an operator can have it start at once."""
    batch.until_state(run, RunState.QUEUED)
    batch.until_job(run, "PENDING")
    time.sleep(2)  # the node takes no credential of the second in which it has ended the job
    batch.slurm.ask("scontrol", "update", f"jobid={batch.job_id(run)}", "starttime=now")


def epochs(batch: Jobs, run: str, attempt: int) -> list[int]:
    return [int(number) for number in re.findall(r"^ *(\d+)/5 ", batch.console(run, attempt), re.MULTILINE)]


def test_a_job_that_is_put_back_resumes_from_its_checkpoint(batch: Jobs) -> None:
    run = train(batch)
    batch.slurm.ask("scontrol", "requeue", batch.job_id(run))
    start_again(batch, run)
    status = batch.until_state(run, RunState.SUCCEEDED)
    assert status.attempt == 2
    first, second = epochs(batch, run, 1), epochs(batch, run, 2)
    assert 0 < second[0] <= first[-1]
    assert second == list(range(second[0], 6))
    assert batch.record(run, 2).restarts == 1
    assert batch.record(run, 2).job_id == batch.job_id(run)
    assert batch.cli.workspace.run(run).attempt(1).outcome.exists()


def test_what_waits_to_be_started_again_says_so_and_can_be_stopped(batch: Jobs) -> None:
    run = batch.run("echo one; exec sleep 60")
    batch.until_printed(run, "one")
    batch.slurm.ask("scontrol", "requeue", batch.job_id(run))
    batch.until_reason(run, "Slurm: not to start before a certain time (BeginTime)")
    assert batch.status(run).stopping == ""
    assert batch.cli("stop", run).code == 0
    batch.until_state(run, RunState.STOPPED)
    batch.until_job(run, "CANCELLED")


@pytest.mark.slow
def test_a_command_that_cannot_be_resumed_begins_anew(batch: Jobs) -> None:
    run = batch.run("echo hello; [ -e again ] || { touch again; exec sleep 60; }")
    batch.until((batch.cli.directory / "again").exists)
    batch.slurm.ask("scontrol", "requeue", batch.job_id(run))
    start_again(batch, run)
    assert batch.until_state(run, RunState.SUCCEEDED).attempt == 2
    assert batch.console(run, 2) == "hello\n"
    assert "cannot resume" in Path(batch.record(run, 2).output).read_text()


def urgent(batch: Jobs) -> str:
    """A job of the partition whose jobs may preempt those of the other one. It ends when the gate is opened."""
    wanted = ("--slurm", "partition=urgent", "--slurm", "cpus=4")
    return batch.run("until [ -e go ]; do sleep 0.1; done", *wanted, name="urgent")


@pytest.mark.slow
def test_a_run_that_a_better_one_preempts_is_queued_again(batch: Jobs) -> None:
    run = train(batch, "--slurm", "cpus=4", epochs=1000)
    better = urgent(batch)
    batch.until_state(better, RunState.RUNNING)
    status = batch.until_state(run, RunState.QUEUED)
    assert status.reason.startswith("Slurm: ")
    assert status.stopping == ""
    (row,) = [row for row in batch.cli("ls", "--json").json()["runs"] if row["id"] == run]
    assert row["state"] == "queued"
    assert batch.slurm.shown(batch.job_id(run))["Restarts"] == "1"


@pytest.mark.slow
def test_a_preempted_run_goes_on_from_its_checkpoint_with_nobody_helping(batch: Jobs) -> None:
    """Slurm lets two minutes pass before it starts a job again."""
    run = train(batch, "--slurm", "cpus=4")
    better = urgent(batch)
    batch.until_state(better, RunState.RUNNING)
    batch.until_state(run, RunState.QUEUED)
    batch.open_gate()
    batch.until_state(better, RunState.SUCCEEDED)
    assert batch.until_state(run, RunState.SUCCEEDED, 200).attempt == 2
    second = epochs(batch, run, 2)
    assert second == list(range(second[0], 6))
    assert second[0] > 0


@pytest.mark.slow
def test_a_run_that_was_stopped_or_resumed_otherwise_is_not_begun_by_its_job(batch: Jobs) -> None:
    run = train(batch)
    attempt = batch.cli.workspace.run(run).attempt(1)
    batch.slurm.ask("scontrol", "requeue", batch.job_id(run))
    batch.until_job(run, "PENDING")
    attempt.stop_request.write_text('{"requested_at": "2026-01-01T00:00:00Z"}')
    time.sleep(2)
    batch.slurm.ask("scontrol", "update", f"jobid={batch.job_id(run)}", "starttime=now")
    batch.until_job(run, "FAILED")
    assert not batch.cli.workspace.run(run).attempt(2).path.exists()
    assert "the run has been stopped" in Path(batch.record(run).output).read_text()
    batch.until_state(run, RunState.STOPPED)


@pytest.mark.slow
def test_an_attempt_that_was_killed_without_a_word_has_an_end_and_a_next_one(batch: Jobs) -> None:
    """It defies SIGINT and SIGTERM, so that Slurm kills it together with its runner."""
    run = batch.run("trap '' INT TERM; echo hello; [ -e again ] || { touch again; while :; do sleep 0.1; done; }")
    batch.until_printed(run, "hello")
    batch.slurm.ask("scontrol", "requeue", batch.job_id(run))
    start_again(batch, run)
    assert batch.until_state(run, RunState.SUCCEEDED).attempt == 2
    outcome = Outcome.read(batch.cli.workspace.run(run).attempt(1).outcome)
    assert outcome is not None
    assert (outcome.kind, outcome.reason) == (OutcomeKind.LOST, "Slurm put the job back into the queue")
