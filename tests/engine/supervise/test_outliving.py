"""Work that outlives the script that has started it is the run; what a crashed trainer leaves behind is not."""

import sys

import pytest

from engine.contracts.outcome import OutcomeKind
from engine.contracts.states import RunState
from engine.runner import outliving
from engine.runner.outliving import OutlivingWork
from engine.runner.processes.identity import Stat, read_stat
from engine.supervise.stop import request_stop

TRAINER = "import time\nfor n in range({}): print(n, flush=True); time.sleep(0.1)\nprint('trained', flush=True)\n"


@pytest.fixture
def trainer(lab):
    """A file that a launcher starts; it prints for four seconds, longer than a leftover may live."""
    (lab.cwd / "train.py").write_text(TRAINER.format(40))
    return f"{sys.executable} -S train.py"


@pytest.mark.parametrize(
    "launcher",
    [
        "nohup {} > train.log 2>&1 & echo started",
        "setsid -f {}",
        "{} & disown",
        "( {} > train.log 2>&1 & ) ; exit 0",
    ],
)
def test_a_run_goes_on_as_long_as_what_its_launcher_started(lab, trainer, launcher):
    run = lab.run(["bash", "-c", launcher.format(trainer)])
    run.until(lambda: run.living() and not _is_there(run.stage_pid), seconds=20)
    assert run.state().state is RunState.RUNNING
    status = run.until_state(RunState.ENDED, seconds=30)
    assert run.outcome.kind is OutcomeKind.OUTLIVED
    assert run.outcome.seconds > 3
    assert "train.py (pid " in status.reason
    assert "exit code unknown" in status.reason
    log = lab.cwd / "train.log"
    assert "trained" in (log.read_text() if log.exists() else run.log())


def test_work_that_outlived_its_launcher_is_stopped_with_its_run(lab, trainer):
    run = lab.run(["bash", "-c", f"nohup {trainer} > train.log 2>&1 &"])
    run.until(lambda: run.living() and not _is_there(run.stage_pid), seconds=20)
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED)
    assert run.living() == []
    assert "trained" not in (lab.cwd / "train.log").read_text()


def test_what_a_failed_command_leaves_behind_is_ended_at_once(lab, trainer):
    run = lab.run(["bash", "-c", f"nohup {trainer} > train.log 2>&1 & exit 3"])
    assert run.until_state(RunState.FAILED).exit_code == 3
    assert run.living() == []
    assert "trained" not in (lab.cwd / "train.log").read_text()


def test_forked_workers_are_no_programs_of_their_own(lab):
    run = lab.python("import os, time\nif os.fork() == 0:\n    while True: time.sleep(0.001)\ntime.sleep(0.2)")
    run.until_state(RunState.SUCCEEDED)
    assert run.outcome.leftovers == 1


def test_work_that_is_idle_for_long_is_over(lab, trainer, monkeypatch):
    moment = 0.0

    def goes_on_at(seconds: float) -> bool:
        nonlocal moment
        moment = seconds
        return work.goes_on()

    run = lab.run(["sh", "-c", "sleep 30"])
    run.until_started()

    def processes() -> list[Stat]:
        stat = read_stat(run.stage_pid)
        assert stat is not None
        return [stat]

    work = OutlivingWork(["launcher"], 0, processes, clock=lambda: moment)
    monkeypatch.setattr(outliving, "_written_bytes", lambda pid: int(min(moment, 5)))
    for seconds in (0.0, 1.0, 5.0, 5.0 + outliving.IDLE_SECONDS - 1):  # it writes until 5 s
        assert goes_on_at(seconds)
    assert not goes_on_at(5.0 + outliving.IDLE_SECONDS)
    assert work.is_idle


def _is_there(pid: int) -> bool:
    return read_stat(pid) is not None
