"""What becomes of a job is what the run says."""

import os
import sys

import pytest

from engine.contracts.states import RunState
from tests.app.cli.slurm.conftest import Jobs

GATE = "until [ -e go ]; do sleep 0.1; done; "
EATER = "import time; eaten = bytearray(b'1') * 600_000_000; time.sleep(60)"


def test_a_job_waits_runs_and_succeeds(batch: Jobs) -> None:
    blocker = batch.run(GATE, "--slurm", "cpus=4", name="blocker")
    running = batch.until_state(blocker, RunState.RUNNING)
    assert running.reason == f"Slurm job {batch.job_id(blocker)} on {batch.slurm.host}"
    waiting = batch.run("echo done", "--slurm", "cpus=2", name="second")
    batch.until_reason(waiting, "Slurm: waits for free resources (Resources)")
    rows = {row["name"]: row for row in batch.cli("ls", "--json").json()["runs"]}
    assert (rows["blocker"]["state"], rows["second"]["state"]) == ("running", "queued")
    assert rows["second"]["reason"].startswith("Slurm: ")
    assert rows["second"]["reason"] in batch.cli("show", "second").out
    batch.open_gate()
    assert batch.until_state(waiting, RunState.SUCCEEDED).exit_code == 0
    assert batch.console(waiting) == "done\n"
    batch.until_job(waiting, "COMPLETED")


def test_a_failure_is_one_with_its_exit_code(batch: Jobs) -> None:
    run = batch.run("echo oops >&2; exit 3")
    status = batch.until_state(run, RunState.FAILED)
    assert (status.exit_code, status.reason) == (3, "exit code 3")
    assert "oops" in batch.cli("log", run).out
    batch.until_job(run, "FAILED")
    assert batch.slurm.shown(batch.job_id(run))["ExitCode"] == "3:0"


def test_what_is_cancelled_at_slurm_is_stopped_and_says_so(batch: Jobs) -> None:
    run = batch.run("exec sleep 60")
    held = batch.run("echo never", "--slurm", "extra=--hold", name="held")
    batch.until_state(run, RunState.RUNNING)
    batch.until_reason(held, "Slurm: held")
    for each in (run, held):
        batch.slurm.ask("scancel", batch.job_id(each))
    for each in (run, held):
        batch.until_state(each, RunState.STOPPED)
        batch.until_reason(each, f"cancelled at Slurm (job {batch.job_id(each)})")
    assert batch.console(held) == ""


def test_stop_ends_a_job_that_runs_and_one_that_waits(batch: Jobs) -> None:
    run = batch.run("trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.1; done")
    held = batch.run("echo never", "--slurm", "extra=--hold", name="held")
    batch.until_printed(run, "ready")
    batch.until_state(held, RunState.QUEUED)
    for each in (run, held):
        answer = batch.cli("stop", each)
        assert answer.code == 0, answer.err
    assert batch.until_state(held, RunState.STOPPED).reason == "stopped before it started"
    status = batch.until_state(run, RunState.STOPPED)
    assert (status.reason, status.exit_code) == ("stopped; exit code 7", 7)
    assert "interrupted" in batch.console(run)
    batch.until_job(run, "FAILED")
    batch.until_job(held, "CANCELLED")


def test_what_has_eaten_more_memory_than_it_asked_for_is_out_of_memory(batch: Jobs) -> None:
    run = batch.run(f'exec {sys.executable} -c "{EATER}"', "--slurm", "mem=100M")
    status = batch.until_state(run, RunState.OUT_OF_MEMORY)
    assert f"out of the memory that it asked Slurm for (job {batch.job_id(run)})" in status.reason


def test_what_the_controller_has_forgotten_is_told_by_its_outcome_or_lost(batch: Jobs) -> None:
    done = batch.run("echo done", name="done")
    lost = batch.run("exec sleep 60", name="lost")
    batch.until_job(done, "COMPLETED")
    batch.until_state(lost, RunState.RUNNING)
    batch.slurm.stop_daemon("slurmctld")
    try:
        # Nobody answers: what runs goes on as far as anybody knows.
        batch.until(lambda: "; Slurm does not answer: " in batch.status(lost).reason)
        assert batch.status(lost).state is RunState.RUNNING
        assert batch.status(done).state is RunState.SUCCEEDED
    finally:
        batch.slurm.start_controller("-c")
    assert "No job" in batch.slurm.ask("scontrol", "show", "job") or not batch.slurm.shown(batch.job_id(lost))
    status = batch.until_state(lost, RunState.LOST)
    assert status.reason.startswith(f"Slurm does not know its job any more (job {batch.job_id(lost)})")
    assert batch.status(done).state is RunState.SUCCEEDED


def test_a_node_that_fails_takes_a_job_that_is_not_to_be_put_back(batch: Jobs) -> None:
    run = batch.run("exec sleep 60", "--slurm", "extra=--no-requeue")
    batch.until_state(run, RunState.RUNNING)
    try:
        batch.slurm.ask("scontrol", "update", f"nodename={batch.slurm.host}", "state=down", "reason=test")
        status = batch.until_state(run, RunState.LOST)
    finally:
        batch.slurm.ask("scontrol", "update", f"nodename={batch.slurm.host}", "state=resume")
    assert status.reason == f"the node failed (job {batch.job_id(run)})"


@pytest.mark.slow
def test_the_time_limit_kills_and_is_told(batch: Jobs) -> None:
    """A minute is the shortest that Slurm knows, and it looks only every half minute."""
    run = batch.run("exec sleep 300", "--slurm", "time=1")
    status = batch.until_state(run, RunState.KILLED, 150)
    batch.until_reason(run, f"the time limit of 1:00 is over (job {batch.job_id(run)})")
    assert status.ended_at is not None


def test_without_slurm_it_is_said_what_to_do(batch: Jobs) -> None:
    without = {"PATH": os.path.dirname(sys.executable) + ":/nonexistent"}
    answer = batch.cli("run", "--executor", "slurm", "--", sys.executable, "-c", "0", **without)
    assert answer.code == 2
    assert "Slurm is not installed here: there is no sbatch" in answer.err
    assert "--executor local" in answer.err
    assert batch.cli.workspace.run_folders() == []


def test_what_slurm_refuses_says_why_and_leaves_no_run_alive(batch: Jobs) -> None:
    answer = batch.cli("run", "--slurm", "partition=nowhere", "--name", "odd", "--", "true")
    assert answer.code == 2
    assert "Slurm does not take it: " in answer.err
    assert "invalid partition specified: nowhere" in answer.err
    (row,) = batch.cli("ls", "--json").json()["runs"]
    assert row["state"] == "could not start"
