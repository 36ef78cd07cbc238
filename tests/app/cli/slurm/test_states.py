"""What becomes of a job is what the run says."""

import os
import signal
import sys
from pathlib import Path

import pytest

from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.run_folder import Workspace
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


def test_a_stage_that_goes_on_after_its_job_says_so_and_can_be_stopped(batch: Jobs) -> None:
    run = batch.run("trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done")
    batch.until_printed(run, "ready")
    process = ProcessRecord.read(batch.cli.workspace.run(run).attempt(1).process)
    assert process is not None
    assert process.stage is not None
    os.kill(process.runner.pid, signal.SIGKILL)
    batch.until(lambda: batch.status(run).reason.startswith("its Slurm job has gone ("))
    assert batch.status(run).state is RunState.RUNNING
    assert "its Slurm job has gone" in batch.cli("show", run).out
    assert batch.cli("stop", run).code == 0
    batch.until_state(run, RunState.STOPPED)
    batch.until(lambda: not os.path.exists(f"/proc/{process.stage.pid}"))  # type: ignore[union-attr]


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
    assert "Slurm rejected it: " in answer.err
    assert "invalid partition specified: nowhere" in answer.err
    (row,) = batch.cli("ls", "--json").json()["runs"]
    assert row["state"] == "could not start"


def test_what_is_slurms_to_do_is_refused_with_its_command(batch: Jobs) -> None:
    held = batch.run("echo never", "--slurm", "extra=--hold", name="held")
    batch.until_reason(held, "Slurm: held")
    answer = batch.cli("move", "held", "--first")
    assert answer.code == 2
    assert f"`scontrol top {batch.job_id(held)}`" in answer.err
    assert "Slurm: held" in batch.cli("queue").out


def test_what_only_accounting_still_knows_is_told_by_it(
    batch: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No database is at hand to keep accounts: a script in the place of sacct prints what it prints."""
    run = batch.run("exec sleep 60")
    batch.until_state(run, RunState.RUNNING)
    sacct = tmp_path / "bin" / "sacct"
    sacct.parent.mkdir()
    sacct.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho "TIMEOUT|01:00:00|node7"\n')
    sacct.chmod(0o755)
    monkeypatch.setenv("PATH", str(sacct.parent), prepend=os.pathsep)
    batch.slurm.stop_daemon("slurmctld")
    batch.slurm.start_controller("-c")
    status = batch.until_state(run, RunState.KILLED)
    assert status.reason == f"the time limit of 01:00:00 is over (job {batch.job_id(run)})"
    assert f"--jobs={batch.job_id(run)}" in (tmp_path / "asked").read_text()


def test_the_warning_before_the_time_limit_stops_the_stage_and_says_why(batch: Jobs) -> None:
    """Slurm sends it of its own accord to jobs of ten minutes and more, whose time nobody waits out here."""
    run = batch.run("trap 'echo saved; exit 0' INT; echo ready; while :; do sleep 0.1; done", "--slurm", "time=20")
    assert "--signal=B:USR2@60" in batch.record(run).argv
    batch.until_printed(run, "ready")
    batch.slurm.ask("scancel", "--batch", "--signal=USR2", batch.job_id(run))
    status = batch.until_state(run, RunState.KILLED)
    assert status.reason == "the time limit is near; exit code 0"
    assert "saved" in batch.console(run)


def test_a_workspace_may_be_called_anything_but_for_what_slurm_cannot_take(batch: Jobs, tmp_path: Path) -> None:
    cli = batch.cli
    cli.workspace = Workspace(tmp_path / 'it\'s 100%j "quoted"')
    cli.environment["YOLOQAT_WORKSPACE"] = str(cli.workspace.path)
    run = batch.run("echo done")
    batch.until_state(run, RunState.SUCCEEDED)
    batch.until_job(run, "COMPLETED")
    assert Path(batch.record(run).output).exists()
    cli.environment["YOLOQAT_WORKSPACE"] = str(tmp_path / "back\\slash")
    answer = cli("run", "--executor", "slurm", "--", "true")
    assert answer.code == 2
    assert "backslash" in answer.err
