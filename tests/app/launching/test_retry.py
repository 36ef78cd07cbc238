"""A run that did not come to its end is retried by its runner, with nothing else alive."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.launching.queue import hold_runs, queued_runs, release_runs
from app.launching.requeue import requeue
from app.launching.stop import run_status, stop_run
from engine.contracts.attempt_records import LaunchRecord, ProcessRecord, Retry
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.states import RunState
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from engine.supervise.state.status import RUNNER_LOST
from engine.supervise.stop import request_stop
from tests.waiting import wait_until

TRAINER = Path(__file__).with_name("foreign_trainer.py")
LONG_PAUSE = 600.0


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "workspace")
    made.runs.mkdir(parents=True)
    yield made
    for folder in made.run_folders():
        stop_run(made, folder.id, now=True)


def start(
    workspace: Workspace,
    command: list[str],
    cwd: Path,
    *,
    limit: int = 2,
    pause: float = 0.1,
    parents: tuple[str, ...] = (),
    **fields: Any,
) -> str:
    """Launch a command with retries."""
    spec = RunSpec(
        id=new_run_id(),
        name=fields.pop("name", "relu"),
        stage=COMMAND,
        command=command,
        cwd=str(cwd),
        parents=list(parents),
        retry=limit,
        **fields,
    )
    launch(workspace, spec, sample_seconds=0.2, retry=Retry(limit=limit, pause_seconds=pause))
    return spec.id


def shell(workspace: Workspace, script: str, cwd: Path, **options: Any) -> str:
    return start(workspace, ["sh", "-c", script], cwd, **options)


def wait(condition: Callable[[], object], seconds: float = 30.0) -> None:
    wait_until(condition, seconds)


def console(workspace: Workspace, run_id: str, attempt: int = 1) -> str:
    path = workspace.run(run_id).attempt(attempt).console
    return path.read_text(errors="replace") if path.exists() else ""


def is_over(workspace: Workspace, run_id: str) -> bool:
    return not run_status(workspace, run_id).state.is_live


def stage_pid(workspace: Workspace, run_id: str, attempt: int = 1) -> int:
    process = ProcessRecord.read(workspace.run(run_id).attempt(attempt).process)
    assert process is not None
    assert process.stage is not None
    return process.stage.pid


def kill_stage(workspace: Workspace, run_id: str) -> None:
    os.kill(stage_pid(workspace, run_id), signal.SIGKILL)


def training(workspace: Workspace, folder: Path, end: str = "", before: tuple[str, ...] = (), **options: Any) -> str:
    """Launch a foreign trainer whose first attempt ends in its fourth epoch, by `end` or by being killed."""
    folder.mkdir()
    source = TRAINER.read_text()
    Path(folder / "train.py").write_text(source.replace("time.sleep(0.05)", end or "time.sleep(0.05)"))
    (folder / "hold").touch()
    return start(workspace, [*before, sys.executable, "train.py", "--epochs", "6"], folder, **options)


def test_a_killed_training_goes_on_from_its_last_checkpoint(workspace: Workspace, tmp_path: Path) -> None:
    run_id = training(workspace, tmp_path / "yolov7")
    wait(lambda: "3/5" in console(workspace, run_id))
    kill_stage(workspace, run_id)
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state is RunState.SUCCEEDED
    assert [attempt.number for attempt in workspace.run(run_id).attempts()] == [1, 2]
    assert "2/5" not in console(workspace, run_id, 2), "three epochs had been saved"
    assert "5/5" in console(workspace, run_id, 2)


def test_a_secret_of_the_command_line_is_known_to_the_retry(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "yolov7"
    run_id = training(workspace, folder, before=("env", "WANDB_API_KEY=0123456789abcdef"))
    wait(lambda: "3/5" in console(workspace, run_id))
    source = (folder / "train.py").read_text()
    (folder / "train.py").write_text(f"import os; open('key', 'w').write(os.environ['WANDB_API_KEY'])\n{source}")
    kill_stage(workspace, run_id)
    wait(lambda: is_over(workspace, run_id))
    assert (folder / "key").read_text() == "0123456789abcdef"
    records = [workspace.run(run_id).spec, *(attempt.launch for attempt in workspace.run(run_id).attempts())]
    assert not any("0123456789abcdef" in record.read_text() for record in records)


def test_an_error_after_an_epoch_is_retried(workspace: Workspace, tmp_path: Path) -> None:
    run_id = training(workspace, tmp_path / "yolov7", 'raise RuntimeError("CUDA error: unspecified launch failure")')
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state is RunState.SUCCEEDED
    launched = LaunchRecord.read(workspace.run(run_id).attempt(2).launch)
    assert launched is not None
    assert (launched.retry.number, launched.retry.after) == (1, "exit code 1")


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ('raise FileNotFoundError("coco/images/7.jpg")', "FileNotFoundError: coco/images/7.jpg"),
        ('raise RuntimeError("CUDA error: device-side assert triggered")', "device-side assert triggered"),
        ("sys.exit(2)", "exit code 2"),
    ],
)
def test_an_error_in_data_or_options_is_never_retried(
    workspace: Workspace, tmp_path: Path, end: str, said: str
) -> None:
    run_id = training(workspace, tmp_path / "yolov7", end)
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state is RunState.FAILED
    assert len(workspace.run(run_id).attempts()) == 1
    log = (workspace.run(run_id).attempt(1).path / "runner.log").read_text()
    assert "not retried: an error in data, options or code repeats itself: " in log
    assert said in log


def test_an_error_before_the_first_epoch_is_not_retried(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "echo hi; exit 1", tmp_path)
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).reason == "exit code 1"
    assert len(workspace.run(run_id).attempts()) == 1


def test_retries_are_counted_and_the_last_end_stays(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "echo up; kill -SEGV $$", tmp_path, limit=2)
    wait(lambda: is_over(workspace, run_id))
    status = run_status(workspace, run_id)
    assert (status.state, status.signal, status.attempt) == (RunState.KILLED, signal.SIGSEGV, 3)
    pauses = [LaunchRecord.read(attempt.launch) for attempt in workspace.run(run_id).attempts()]
    assert [record.retry.number for record in pauses if record] == [0, 1, 2]


def test_it_is_queued_while_it_waits_and_says_why(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "kill -9 $$", tmp_path, limit=3, pause=LONG_PAUSE)
    states = set()

    def waits() -> bool:
        status = run_status(workspace, run_id)
        states.add(status.state)
        return status.reason.startswith("retry")

    wait(waits)
    assert run_status(workspace, run_id).reason == "retry 1 of 3 in 10 min after signal 9"
    assert states <= {RunState.STARTING, RunState.RUNNING, RunState.QUEUED}, "it never looks as if it had ended"
    [queued] = queued_runs(workspace)
    assert (queued.id, queued.attempt) == (run_id, 2)


def test_a_stop_in_the_pause_ends_it(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "kill -9 $$", tmp_path, pause=LONG_PAUSE)
    wait(lambda: run_status(workspace, run_id).reason.startswith("retry"))
    assert stop_run(workspace, run_id)
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state is RunState.STOPPED
    assert run_status(workspace, run_id).reason == "stopped before it started"
    assert len(workspace.run(run_id).attempts()) == 2


def test_a_stop_while_the_runner_decides_is_heeded(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "kill -9 $$", tmp_path, pause=LONG_PAUSE)
    first = workspace.run(run_id).attempt(1)
    wait(lambda: run_status(workspace, run_id).reason.startswith("about to be retried after signal 9"))
    assert request_stop(first)
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state in (RunState.KILLED, RunState.STOPPED)
    assert not queued_runs(workspace)


def test_a_stopped_run_is_never_retried(workspace: Workspace, tmp_path: Path) -> None:
    run_id = training(workspace, tmp_path / "yolov7")
    wait(lambda: "3/5" in console(workspace, run_id))
    assert stop_run(workspace, run_id, now=True)
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state is RunState.STOPPED
    assert len(workspace.run(run_id).attempts()) == 1


def test_control_c_in_the_program_is_never_retried(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "kill -INT $$; sleep 5", tmp_path)
    wait(lambda: is_over(workspace, run_id))
    assert len(workspace.run(run_id).attempts()) == 1


def test_a_run_that_waits_is_held_and_released(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "[ -e go ] || kill -9 $$", tmp_path, pause=LONG_PAUSE)
    wait(lambda: run_status(workspace, run_id).reason.startswith("retry"))
    hold_runs(workspace, run_id)
    assert run_status(workspace, run_id).reason == "held"
    release_runs(workspace, run_id)
    wait(lambda: run_status(workspace, run_id).reason.startswith("retry"))
    (tmp_path / "go").touch()
    assert release_runs(workspace, run_id) == ["relu"]
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state is RunState.SUCCEEDED


def test_a_retry_outlives_the_runner_that_waits_for_it(workspace: Workspace, tmp_path: Path) -> None:
    run_id = shell(workspace, "kill -9 $$", tmp_path, pause=LONG_PAUSE)
    wait(lambda: run_status(workspace, run_id).reason.startswith("retry"))
    process = ProcessRecord.read(workspace.run(run_id).attempt(2).process)
    assert process is not None
    os.kill(process.runner.pid, signal.SIGKILL)
    wait(lambda: run_status(workspace, run_id).reason == RUNNER_LOST)
    assert requeue(workspace) == 1
    wait(lambda: run_status(workspace, run_id).reason == "retry 1 of 2 in 10 min after signal 9")


def test_a_run_that_needs_it_waits_for_the_retry(workspace: Workspace, tmp_path: Path) -> None:
    parent = shell(workspace, "[ -e go ] || { touch go; sleep 0.3; kill -9 $$; }", tmp_path)
    child = shell(workspace, "echo after", tmp_path, parents=(parent,), name="ptq", limit=0)
    wait(lambda: is_over(workspace, child))
    assert run_status(workspace, child).state is RunState.SUCCEEDED
    assert len(workspace.run(child).attempts()) == 1, "it never failed for its parent"


MEMORY = """
import sys
print("Traceback (most recent call last):")
print('  File "train.py", line 1, in <module>')
print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.69 GiB"
      " of which 20.00 MiB is free.{others} Including non-PyTorch memory, this process has 13.00 GiB memory in use.")
sys.exit(1)
"""


@pytest.mark.parametrize(("others", "attempts"), [(" Process 812 has 10.00 GiB memory in use.", 2), ("", 1)])
def test_memory_that_ran_out_is_retried_once_where_others_held_some(
    workspace: Workspace, tmp_path: Path, others: str, attempts: int
) -> None:
    run_id = start(workspace, [sys.executable, "-c", MEMORY.format(others=others)], tmp_path, limit=3)
    wait(lambda: is_over(workspace, run_id))
    assert run_status(workspace, run_id).state is RunState.OUT_OF_MEMORY
    assert len(workspace.run(run_id).attempts()) == attempts
