"""Commands of several processes, under a real torchrun, over gloo."""

import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from app.launching.stop import run_status
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.states import RunState
from engine.runner.processes.children import marked
from tests.app.cli.conftest import Cli, until

GLOO = Path(__file__).with_name("gloo.py")


@pytest.fixture(autouse=True)
def script(cli: Cli) -> None:
    shutil.copy(GLOO, cli.directory / "train.py")


def start(cli: Cli, *arguments: str, processes: int = 2) -> str:
    answer = cli("run", "--torchrun", str(processes), "--", sys.executable, "-u", "train.py", *arguments)
    assert answer.code == 0, answer.err
    return answer.out.split()[0]


def console(cli: Cli, run_id: str) -> str:
    path = cli.workspace.run(run_id).attempt(1).console
    return path.read_text() if path.exists() else ""


def until_up(cli: Cli, run_id: str) -> None:
    until(lambda: console(cli, run_id).count(": sum 3") == 2, 60)


def living(cli: Cli, run_id: str) -> list[int]:
    return [stat.pid for stat in marked(str(cli.workspace.run(run_id).attempt(1).path))]


@pytest.mark.slow
def test_two_processes_find_each_other_and_runs_beside_each_other_do_not(cli: Cli) -> None:
    runs = [start(cli), start(cli)]
    for run_id in runs:
        cli.wait(run_id, 90)
        assert run_status(cli.workspace, run_id).state is RunState.SUCCEEDED
        assert sorted(re.findall(r"rank \d of \d on here: sum \d", console(cli, run_id))) == [
            "rank 0 of 2 on here: sum 3",
            "rank 1 of 2 on here: sum 3",
        ]


def test_a_stop_reaches_every_process_and_leaves_none(cli: Cli) -> None:
    """torchrun starts its processes in sessions of their own."""
    run_id = start(cli, "stay")
    until_up(cli, run_id)
    sessions = {os.getsid(pid) for pid in living(cli, run_id)}
    assert len(sessions) > 2
    assert cli("stop", run_id).code == 0
    cli.wait(run_id, 60)
    assert run_status(cli.workspace, run_id).state is RunState.STOPPED
    assert sorted(re.findall(r"rank \d saved", console(cli, run_id))) == ["rank 0 saved", "rank 1 saved"]
    assert living(cli, run_id) == []


@pytest.mark.slow
def test_a_stop_without_the_runner_and_the_launcher_leaves_none(cli: Cli) -> None:
    """What torchrun has started lives on without it, as nobody's child."""
    run_id = start(cli, "stay")
    until_up(cli, run_id)
    process = ProcessRecord.read(cli.workspace.run(run_id).attempt(1).process)
    assert process is not None
    assert process.stage is not None
    for pid in (process.runner.pid, process.stage.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(living(cli, run_id)) == 2)
    assert cli("stop", "--now", run_id).code == 0
    until(lambda: living(cli, run_id) == [], 60)


@pytest.mark.slow
def test_one_that_fails_fails_the_run_and_ends_the_other(cli: Cli) -> None:
    run_id = start(cli, "fail")
    cli.wait(run_id, 90)
    status = run_status(cli.workspace, run_id)
    assert (status.state, status.exit_code) == (RunState.FAILED, 1)
    assert "ValueError: no labels in train" in console(cli, run_id)
    assert living(cli, run_id) == []


PIPELINE = """
name: pair
stages:
  train:
    command: [{python}, train.py]
    torchrun: 2
    resources: {{cpu_lane: true}}
  after:
    command: ['true']
    needs: [train]
"""


@pytest.mark.slow
def test_a_step_of_a_pipeline_is_one_too(cli: Cli) -> None:
    file = cli.directory / "pair.yaml"
    file.write_text(PIPELINE.format(python=sys.executable))
    planned = cli("pipeline", str(file), "--dry-run")
    assert planned.out.splitlines()[1] == (
        f"{sys.executable} -m torch.distributed.run --standalone --nnodes=1 --nproc-per-node=2 train.py"
    )
    answer = cli("pipeline", str(file), "--follow")
    assert answer.code == 0, answer.out + answer.err
    run_id = next(line.split()[1] for line in answer.out.splitlines() if line.startswith("pair-train"))
    assert "rank 1 of 2 on here: sum 3" in console(cli, run_id)
    process = ProcessRecord.read(cli.workspace.run(run_id).attempt(1).process)
    assert process is not None
    assert process.leases == ["cpu-0"]


@pytest.mark.parametrize(
    ("step", "line", "words"),
    [
        ("    command: [sh, train.sh]\n    torchrun: 2\n", 4, "only a Python script or module"),
        ("    command: [python3, -c, pass]\n    torchrun: 2\n", 4, "only a Python script or module"),
        ("    command: [python3, train.py]\n    torchrun: 0\n", 5, "greater than or equal to 1"),
        ("    uses: shapes\n    torchrun: 2\n", 5, "our stages compute in one process"),
        ("    uses: shapes\n    resources: {gpus: 1}\n", 5, "a stage says what it needs by its `device`"),
        ("    command: [python3, train.py]\n    resources: {gpus: 64}\n", 5, "GPU"),
        ("    command: [python3, train.py]\n    resources: {gpu_memory: 6}\n", 5, "--gpu-memory needs a GPU"),
        ("    command: [python3, train.py]\n    resources: {gpu: 1, cups: 2}\n", 5, "cups"),
    ],
)
def test_mistakes_are_told_with_their_line(cli: Cli, step: str, line: int, words: str) -> None:
    file = cli.directory / "pair.yaml"
    file.write_text(f"name: pair\nstages:\n  train:\n{step}")
    answer = cli("pipeline", str(file), "--dry-run")
    assert answer.code == 2
    assert words in answer.err
    assert f"pair.yaml:{line}" in answer.err


def test_what_is_no_python_is_refused(cli: Cli) -> None:
    answer = cli("run", "--torchrun", "2", "--", "sh", "-c", "true")
    assert answer.code == 2
    assert "only a Python script or module can be run as several processes" in answer.err
    assert cli("run", "--torchrun", "0", "--", sys.executable, "train.py").code == 2
