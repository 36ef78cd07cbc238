"""`--time-limit`, `--start-at` and `--retry`, as their user types them."""

import sys
from datetime import datetime, timedelta
from functools import partial

import pytest

from app.launching.launch import launch_command
from app.launching.queue import leases_here
from app.launching.schedule import Schedule
from app.launching.stop import run_status, stop_run
from engine.contracts.attempt_records import Retry
from engine.contracts.spec import Resources, RunSpec
from engine.contracts.states import RunState
from engine.supervise.launch import launch
from tests.app.cli.conftest import Cli, until


def test_a_run_is_stopped_at_its_time_limit(cli: Cli) -> None:
    answer = cli("run", "--time-limit", "1s", "--retry", "2", "-f", "--name", "long", "--", "sleep", "60")
    assert "long: stopped (time limit of 1 s reached; signal 2 (SIGINT)) in 1." in answer.err
    assert answer.code == 128 + 2
    [folder] = cli.workspace.run_folders()
    assert len(folder.attempts()) == 1, "the end of the time is not retried"


def test_a_run_waits_for_its_time_without_a_lease(cli: Cli) -> None:
    cli.workspace.runs.mkdir(parents=True)
    lane = Resources(cpu=True)
    start = datetime.now().astimezone() + timedelta(seconds=2.5)
    later = launch_command(cli.workspace, ["true"], name="later", resources=lane, schedule=Schedule(start_at=start))
    until(lambda: run_status(cli.workspace, later.id).state is RunState.QUEUED)
    assert run_status(cli.workspace, later.id).reason == f"starts at {start:%H:%M}"
    now = launch_command(cli.workspace, ["sleep", "60"], name="now", resources=lane)
    until(lambda: run_status(cli.workspace, now.id).state is RunState.RUNNING)
    assert [lease.run for lease in leases_here()] == ["now"], "launched later, and the lane was free"
    stop_run(cli.workspace, now.id, now=True)
    cli.wait(later.id)
    assert run_status(cli.workspace, later.id).state is RunState.SUCCEEDED
    assert (run_status(cli.workspace, later.id).started_at or start) >= start


def test_a_release_starts_it_now(cli: Cli) -> None:
    run_id = cli("run", "--start-at", "2999-01-01 00:00", "--name", "far", "--", "true").out.split()[0]
    until(lambda: "starts at 2999-01-01 00:00" in cli("queue").out)
    assert cli("release", "far").code == 0
    cli.wait(run_id)
    assert run_status(cli.workspace, run_id).state is RunState.SUCCEEDED


PIPELINE = """\
name: chain
stages:
  first: {command: [echo, first], retry: 0}
  second: {command: [echo, second], needs: [first], time_limit: 1h}
"""


def test_a_pipeline_waits_as_a_whole_and_its_steps_keep_their_own_limits(cli: Cli) -> None:
    (cli.directory / "chain.yaml").write_text(PIPELINE)
    limits = ("--retry", "2", "--time-limit", "6h", "--start-at", "2999-01-01 00:00")
    answer = cli("pipeline", "chain.yaml", *limits)
    assert answer.code == 0, answer.err
    specs = {spec.step: spec for folder in cli.workspace.run_folders() if (spec := RunSpec.read(folder.spec))}
    assert (specs["first"].retry, specs["first"].time_limit) == (0, 21600.0)
    assert (specs["second"].retry, specs["second"].time_limit) == (2, 3600.0)
    until(lambda: "starts at 2999-01-01 00:00" in cli("queue").out and "waits for chain-first" in cli("queue").out)
    assert cli("release", "chain").code == 0
    cli.wait(specs["second"].id)
    assert run_status(cli.workspace, specs["second"].id).state is RunState.SUCCEEDED


def test_a_pipeline_at_slurm_has_no_limits_of_ours(cli: Cli) -> None:
    (cli.directory / "chain.yaml").write_text(PIPELINE)
    answer = cli("pipeline", "chain.yaml", "--executor", "slurm", "--start-at", "22:00")
    assert answer.code == 2
    assert "apply to this machine only" in answer.err


def test_following_goes_on_with_the_retry(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "Retry", partial(Retry, pause_seconds=2.0))
    (cli.directory / "train.sh").write_text("[ -e up ] && { echo second; exit 0; }; touch up; echo first; kill -9 $$\n")
    answer = cli("run", "-f", "--retry", "1", "--name", "relu", "--", "sh", "train.sh")
    assert answer.out == "first\nsecond\n"
    assert "retry 1 of 1 in 10 s after signal 9 …" in answer.err
    assert "relu: succeeded in " in answer.err
    assert answer.code == 0


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--time-limit", "12", "write it like 12h, 90m or 1d12h"),
        ("--start-at", "tonight", "write it like 22:00"),
        ("--retry", "-1", "is not a number between 0 and 100"),
    ],
)
def test_what_cannot_be_is_explained(cli: Cli, option: str, value: str, said: str) -> None:
    answer = cli("run", f"{option}={value}", "--", sys.executable, "train.py", "1", "0")
    assert answer.code == 2
    assert said in answer.err
    assert not cli.workspace.run_folders()


def test_slurm_has_its_own_limits(cli: Cli) -> None:
    answer = cli("run", "--executor", "slurm", "--time-limit", "12h", "--", "true")
    assert answer.code == 2
    assert "apply to this machine only" in answer.err
    assert not cli.workspace.run_folders()
