"""A run whose process is stopped is suspended: not stalled, and it goes on when it is told to."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.contracts.attempt_records import ProcessIdentity
from engine.contracts.run_folder import AttemptFolder
from engine.contracts.states import RunState
from engine.contracts.watching import WatchRecord
from engine.runner.processes.identity import identify
from engine.supervise.state.suspension import describe_suspension
from engine.supervise.state.watched import observe
from tests.engine.supervise.conftest import Lab
from tests.waiting import wait_until

WITH_CHILD = "import subprocess; subprocess.run(['sleep', '60'])"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_suspended_until_it_goes_on(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    assert describe_suspension([identity]) == ""
    sleeper.send_signal(signal.SIGSTOP)
    wait_until(lambda: describe_suspension([identity]) != "", 5)
    text = f"pid {sleeper.pid} was stopped by a signal; `kill -CONT {sleeper.pid}` continues it"
    assert describe_suspension([identity]) == text
    assert describe_suspension([], [sleeper.pid]) == text, "as the runner's sample has seen it"
    sleeper.send_signal(signal.SIGCONT)
    wait_until(lambda: describe_suspension([identity]) == "", 5)


def test_the_state_of_a_run_says_that_its_stage_is_stopped(lab: Lab) -> None:
    run = lab.shell("echo started; sleep 60")
    run.until_printed("started")
    assert not run.state().suspended
    os.kill(run.stage_pid, signal.SIGSTOP)
    run.until(lambda: run.state().suspended)
    status = run.state()
    assert (status.state, status.stalled) == (RunState.RUNNING, False)
    assert status.reason.startswith(f"pid {run.stage_pid} was stopped by a signal")
    os.kill(run.stage_pid, signal.SIGCONT)
    run.until(lambda: not run.state().suspended)
    assert run.state().reason == ""


def test_a_stopped_worker_below_the_stage_is_seen_by_the_sample(lab: Lab) -> None:
    run = lab.python(WITH_CHILD, sample_seconds=0.2)
    run.until(lambda: len(run.living()) == 2)
    (worker,) = set(run.living()) - {run.stage_pid}
    os.kill(worker, signal.SIGSTOP)
    run.until(lambda: run.state().suspended, 10)
    assert f"pid {worker} was stopped" in run.state().reason
    os.kill(worker, signal.SIGCONT)
    run.until(lambda: not run.state().suspended)


def test_a_stopped_runner_is_told_too(lab: Lab) -> None:
    run = lab.shell("echo started; sleep 60")
    run.until_printed("started")
    runner = run.process.runner.pid
    os.kill(runner, signal.SIGSTOP)
    run.until(lambda: f"pid {runner} was stopped" in run.state().reason)
    os.kill(runner, signal.SIGCONT)
    run.until(lambda: not run.state().suspended)


def test_a_watched_process_is_suspended(tmp_path: Path) -> None:
    attempt = AttemptFolder(tmp_path / "1")
    attempt.path.mkdir()
    with (tmp_path / "train.log").open("ab") as output:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=output)
    try:
        identity = identify(process.pid)
        assert identity is not None
        status = (tmp_path / "train.log").stat()
        WatchRecord(
            path=str(tmp_path / "train.log"),
            device=status.st_dev,
            inode=status.st_ino,
            started_at=datetime.now(UTC),
            process=ProcessIdentity(**identity._asdict()),
        ).write(attempt.watch)
        observed = observe(attempt)
        assert observed is not None
        assert (observed.is_alive, observed.suspended) == (True, "")
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: (seen := observe(attempt)) is not None and seen.suspended != "", 5)
    finally:
        process.kill()
        process.communicate()
