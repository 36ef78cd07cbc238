"""What becomes of a job is what the run says."""

import time

from engine.contracts.states import RunState
from tests.app.cli.slurm.conftest import Jobs

GATE = "until [ -e go ]; do sleep 0.1; done; "


def test_a_job_waits_runs_and_succeeds(batch: Jobs) -> None:
    blocker = batch.run(GATE, "--slurm", "cpus=4", name="blocker")
    running = batch.until_state(blocker, RunState.RUNNING)
    assert running.reason == f"Slurm job {batch.job_id(blocker)} on {batch.slurm.host}"
    waiting = batch.run("echo done", "--slurm", "cpus=2", name="second")
    status = batch.until_state(waiting, RunState.QUEUED)
    assert status.reason in (
        "Slurm: waits for free resources (Resources)",
        "Slurm: behind other jobs (Priority)",
        "Slurm: about to be looked at",
    )
    (row,) = [row for row in batch.cli("ls", "--json").json()["runs"] if row["id"] == waiting]
    assert (row["state"], row["name"]) == ("queued", "second")
    assert row["reason"].startswith("Slurm: ")
    assert "Slurm: " in batch.cli("show", "second").out
    (batch.cli.directory / "go").touch()
    assert batch.until_state(waiting, RunState.SUCCEEDED).exit_code == 0
    assert batch.console(waiting) == "done\n"
    assert batch.slurm.shown(batch.job_id(waiting))["JobState"] == "COMPLETED"


def test_a_failure_is_one_with_its_exit_code(batch: Jobs) -> None:
    run = batch.run("echo oops >&2; exit 3")
    status = batch.until_state(run, RunState.FAILED)
    assert (status.exit_code, status.reason) == (3, "exit code 3")
    assert "oops" in batch.cli("log", run).out
    time.sleep(0.5)
    assert batch.slurm.shown(batch.job_id(run))["ExitCode"] == "3:0"
