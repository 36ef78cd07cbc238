"""A job of several processes, on one node and on two, under a real torchrun over gloo."""

import re
import shutil
import signal
import sys

import pytest

from engine.contracts.states import RunState
from tests.app.cli.slurm.cluster import CannotStart, Cluster
from tests.app.cli.slurm.conftest import Jobs
from tests.app.cli.test_torchrun import GLOO

MEMORY = ("--slurm", "mem=2000")
PAIR = ("--slurm", "partition=pair", "--slurm", "nodes=2")


@pytest.fixture
def two(slurm: Cluster) -> str:
    """The name of the first of two nodes."""
    try:
        slurm.start_second_node()
    except CannotStart as error:
        pytest.skip(f"no second node to be had here: {error}")
    return slurm.host


def start(batch: Jobs, *options: str, processes: int = 1, what: str = "") -> str:
    shutil.copy(GLOO, batch.cli.directory / "train.py")
    command = [sys.executable, "-u", "train.py", *([what] if what else [])]
    answer = batch.cli("run", "--executor", "slurm", *options, "--torchrun", str(processes), "--", *command)
    assert answer.code == 0, answer.err
    return answer.out.split()[0]


def ranks(batch: Jobs, run_id: str) -> list[str]:
    return sorted(re.findall(r"rank \d of \d on \S+: sum \d", batch.console(run_id)))


@pytest.mark.slow
def test_two_processes_on_one_node(batch: Jobs, slurm: Cluster) -> None:
    run_id = start(batch, *MEMORY, processes=2)
    batch.until_state(run_id, RunState.SUCCEEDED, 60)
    assert ranks(batch, run_id) == [f"rank {rank} of 2 on {slurm.host}: sum 3" for rank in (0, 1)]


@pytest.mark.slow
def test_a_process_on_each_of_two_nodes_and_a_stop_that_lets_both_save(batch: Jobs, two: str) -> None:
    run_id = start(batch, *MEMORY, *PAIR, what="stay")
    batch.until(lambda: len(ranks(batch, run_id)) == 2, 60)
    assert {line.split()[5].rstrip(":") for line in ranks(batch, run_id)} == {two, "second"}
    assert batch.slurm.shown(batch.job_id(run_id))["NumNodes"] == "2"
    assert batch.cli("stop", run_id).code == 0
    batch.until_state(run_id, RunState.STOPPED, 60)
    assert sorted(re.findall(r"rank \d saved", batch.console(run_id))) == ["rank 0 saved", "rank 1 saved"]
    batch.until(lambda: not batch.slurm.ask("squeue", "--noheader", "--job", batch.job_id(run_id)).strip())


@pytest.mark.slow
def test_one_that_fails_fails_the_job_on_both_nodes(batch: Jobs, two: str) -> None:
    run_id = start(batch, *MEMORY, *PAIR, what="fail")
    status = batch.until_state(run_id, RunState.FAILED, 60)
    # srun returns the highest exit code of its tasks, and it ends the other one with SIGTERM.
    assert status.exit_code in (1, 128 + signal.SIGTERM)
    assert "ValueError: no labels in train" in batch.console(run_id)


def test_a_step_that_slurm_kills_for_its_memory_is_out_of_memory(batch: Jobs, two: str) -> None:
    run_id = start(batch, *PAIR, "--slurm", "mem=50", what="stay")
    assert batch.until_state(run_id, RunState.OUT_OF_MEMORY, 60).reason.startswith("exit code 137")


PIPELINE = """
name: pair
executor: slurm
slurm: {{partition: pair, mem: 3000}}
stages:
  train:
    command: [{python}, train.py]
    torchrun: 2
    slurm: {{nodes: 2}}
  after:
    command: ['true']
    needs: [train]
"""


@pytest.mark.slow
def test_a_step_of_a_pipeline_has_its_own_number_of_nodes(batch: Jobs, two: str) -> None:
    shutil.copy(GLOO, batch.cli.directory / "train.py")
    runs = batch.pipeline(PIPELINE.format(python=sys.executable))
    batch.until_state(runs["after"], RunState.SUCCEEDED, 90)
    assert len(ranks(batch, runs["train"])) == 4
    assert all(line.endswith("sum 10"[:5]) for line in ranks(batch, runs["train"]))
    assert [batch.record(runs[step]).argv.count("--nodes=2") for step in ("train", "after")] == [1, 0]
