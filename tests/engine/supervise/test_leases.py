"""Runs that wait for a GPU or for the CPU lane: real processes, and a nvidia-smi that says what the test wants."""

import contextlib
import fcntl
import os
import random
import signal
import stat
import time
from pathlib import Path

import pytest

from engine.contracts.attempt_records import QueueRecord
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import Resources
from engine.contracts.states import RunState
from engine.files.json_records import write_json
from engine.supervise.requeue import queued_without_runner, relaunch
from engine.supervise.stop import request_stop
from tests.waiting import wait_until

CPU = Resources(cpu=True)
GPU = Resources(gpus=["0"])
GB = 10**9


@pytest.fixture(autouse=True)
def own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YOLOQAT_LEASES", str(tmp_path / "leases"))
    return tmp_path / "leases"


class Driver:
    """What nvidia-smi says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gpus(2)
        self.processes()
        script = folder / "nvidia-smi"
        script.write_text(
            f"#!/bin/sh\necho asked >> {folder}/asked\n"
            f"case $1 in --query-gpu*) cat {folder}/gpus;; *) cat {folder}/processes;; esac\n"
            f"exit $(cat {folder}/code)\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        (folder / "code").write_text("0")

    def gpus(self, number: int) -> None:
        rows = [f"{index}, GPU-{index}{index}{index}{index}, 24576" for index in range(number)]
        (self.folder / "gpus").write_text("".join(f"{row}\n" for row in rows))

    def processes(self, *rows: tuple[int, int, int]) -> None:
        """GPU, pid and MiB of each."""
        text = "".join(f"GPU-{gpu}{gpu}{gpu}{gpu}, {pid}, {used}\n" for gpu, pid, used in rows)
        (self.folder / "processes.new").write_text(text)
        (self.folder / "processes.new").rename(self.folder / "processes")

    def asked(self) -> int:
        path = self.folder / "asked"
        return path.read_text().count("asked") if path.exists() else 0


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("YOLOQAT_NVML", "0")
    return Driver(folder)


def until_waits(run, reason):
    run.until(lambda: run.state().state is RunState.QUEUED and run.state().reason == reason)


def test_one_run_at_a_time_has_the_cpu_lane(lab):
    first = lab.gated("true", name="first", resources=CPU)
    first.until_started()
    second = lab.shell("echo mine", name="second", resources=CPU)
    until_waits(second, "CPU lane full (1 of 1): run first")
    assert first.process.leases == ["cpu-0"]
    lab.open_gate()
    second.until_state(RunState.SUCCEEDED)
    assert second.outcome.started_at >= first.outcome.ended_at


def test_nobody_takes_anything_while_somebody_else_looks(lab, own_leases):
    (own_leases / "queue").mkdir(parents=True)
    with (own_leases / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = lab.shell("true", resources=CPU)
        until_waits(run, "about to look at the queue")
    run.until_state(RunState.SUCCEEDED)


def test_the_lane_is_as_wide_as_it_is_set(lab):
    runs = [lab.gated("true", name=f"run{n}", resources=CPU, cpu_lane=2) for n in range(3)]
    runs[0].until_started()
    runs[1].until_started()
    runs[2].until(lambda: runs[2].state().reason == "CPU lane full (2 of 2): run run0, run run1")


def test_a_lane_of_any_width_makes_nobody_wait(lab):
    runs = [lab.gated("true", resources=CPU, cpu_lane=0) for _ in range(3)]
    for run in runs:
        run.until_started()


def test_a_killed_runner_does_not_free_what_its_stage_uses(lab):
    first = lab.shell("exec sleep 60", name="first", resources=CPU)
    first.until_started()
    second = lab.shell("true", name="second", resources=CPU)
    until_waits(second, "CPU lane full (1 of 1): run first")
    first.kill_runner()
    third = lab.shell("true", name="third", resources=CPU)
    until_waits(third, "CPU lane full (1 of 1): run first")
    time.sleep(1.5)
    assert second.state().state is third.state().state is RunState.QUEUED
    first.kill_stage()
    third.until_state(RunState.SUCCEEDED)
    assert third.outcome.started_at >= second.outcome.started_at


def test_a_killed_waiting_runner_holds_up_nobody(lab, own_leases):
    first = lab.gated("true", name="first", resources=CPU)
    first.until_started()
    second = lab.shell("true", name="second", resources=CPU)
    until_waits(second, "CPU lane full (1 of 1): run first")
    second.kill_runner()
    third = lab.shell("true", name="third", resources=CPU)
    lab.open_gate()
    third.until_state(RunState.SUCCEEDED)
    assert os.listdir(own_leases / "queue") == []


def test_they_come_in_the_order_of_their_launch_or_as_they_were_moved(lab):
    first = lab.gated("true", name="first", resources=CPU)
    first.until_started()
    waiting = [lab.shell("sleep 0.05", name=f"run{n}", resources=CPU) for n in range(4)]
    for run in waiting:
        run.until_state(RunState.QUEUED)
    write_json(str(waiting[3].attempt.queue), QueueRecord(position=1.0).model_dump())
    time.sleep(1.5)  # its runner looks once a second
    lab.open_gate()
    for run in waiting:
        run.until_state(RunState.SUCCEEDED, 15)
    order = sorted(waiting, key=lambda run: run.outcome.started_at)
    assert [run.folder.id for run in order] == [waiting[n].folder.id for n in (3, 0, 1, 2)]


def test_priority_comes_before_the_time_of_the_launch(lab):
    first = lab.gated("true", name="first", resources=CPU)
    first.until_started()
    low = lab.shell("sleep 0.05", name="low", resources=CPU)
    low.until_state(RunState.QUEUED)
    high = lab.shell("sleep 0.05", name="high", resources=CPU, priority=5)
    high.until_state(RunState.QUEUED)
    lab.open_gate()
    low.until_state(RunState.SUCCEEDED, 10)
    assert high.outcome.started_at < low.outcome.started_at


def test_what_is_held_waits_and_lets_others_pass(lab):
    first = lab.gated("true", name="first", resources=CPU)
    first.until_started()
    held = lab.shell("true", name="held", resources=CPU)
    held.until_state(RunState.QUEUED)
    write_json(str(held.attempt.queue), QueueRecord(position=1.0, held=True).model_dump())
    until_waits(held, "held")
    later = lab.shell("true", name="later", resources=CPU)
    lab.open_gate()
    later.until_state(RunState.SUCCEEDED)
    assert held.state().state is RunState.QUEUED
    write_json(str(held.attempt.queue), QueueRecord(position=1.0).model_dump())
    held.until_state(RunState.SUCCEEDED)


def test_one_that_waits_in_line_can_be_stopped(lab, own_leases):
    first = lab.shell("exec sleep 60", name="first", resources=CPU)
    first.until_started()
    second = lab.shell("true", name="second", resources=CPU)
    until_waits(second, "CPU lane full (1 of 1): run first")
    assert request_stop(second.attempt)
    assert second.until_state(RunState.STOPPED).reason == "stopped before it started"
    assert os.listdir(own_leases / "queue") == []


def test_a_child_stands_in_line_only_once_its_parent_has_succeeded(lab):
    parent = lab.gated("true", name="parent")
    child = lab.shell("true", name="child", resources=CPU, parents=[parent])
    until_waits(child, "waits for parent")
    other = lab.shell("true", name="other", resources=CPU)
    other.until_state(RunState.SUCCEEDED)
    lab.open_gate()
    child.until_state(RunState.SUCCEEDED)


def test_a_gpu_has_one_run_at_a_time_whatever_the_workspace(lab, driver, tmp_path):
    first = lab.gated('echo "$CUDA_DEVICE_ORDER $CUDA_VISIBLE_DEVICES"', name="relu-retrain", resources=GPU)
    first.until_started()
    second = lab.shell("true", name="second", resources=GPU, workspace=Workspace(tmp_path / "elsewhere"))
    until_waits(second, "GPU 0 busy: run relu-retrain")
    lab.open_gate()
    second.until_state(RunState.SUCCEEDED)
    assert first.log() == "PCI_BUS_ID GPU-0000\n"
    assert first.process.leases == ["gpu-0"]


def test_any_gpu_is_one_that_is_free(lab, driver):
    runs = [lab.gated('echo "$CUDA_VISIBLE_DEVICES"', name=f"run{n}", resources=Resources(gpus=1)) for n in range(3)]
    runs[0].until_started()
    runs[1].until_started()
    until_waits(runs[2], "GPU 0 busy: run run0; GPU 1 busy: run run1")
    lab.open_gate()
    runs[2].until_state(RunState.SUCCEEDED)
    assert sorted(run.log() for run in runs[:2]) == ["GPU-0000\n", "GPU-1111\n"]


def test_a_gpu_with_somebody_elses_process_is_not_taken(lab, driver):
    driver.processes((0, 4711, 9346))
    run = lab.shell("true", resources=GPU)
    until_waits(run, "GPU 0 busy: pid 4711, 9.8 GB, not ours")
    lab.shell("true", resources=Resources(gpus=1)).until_state(RunState.SUCCEEDED)  # GPU 1 is free
    driver.processes()
    run.until_state(RunState.SUCCEEDED, 20)


def test_the_driver_is_asked_ever_more_rarely_and_not_at_all_while_a_run_of_ours_computes(lab, driver):
    driver.processes((0, 4711, 9346))
    foreign = lab.shell("true", resources=GPU)
    until_waits(foreign, "GPU 0 busy: pid 4711, 9.8 GB, not ours")
    ours = lab.gated("true", name="ours", resources=Resources(gpus=["1"]))
    ours.until_started()
    behind = lab.shell("true", resources=Resources(gpus=["1"]))
    until_waits(behind, "GPU 1 busy: run ours")
    before = driver.asked()
    time.sleep(4)
    assert driver.asked() - before <= 3 * 2  # two calls each, after 1, 2, 4, … 15 seconds
    assert behind.state().state is RunState.QUEUED


def test_a_driver_that_does_not_answer_is_waited_for(lab, driver):
    (driver.folder / "code").write_text("9")
    (driver.folder / "gpus").write_text("NVIDIA-SMI has failed\n")
    run = lab.shell("true", resources=GPU)
    until_waits(run, "the GPUs cannot be asked: nvidia-smi: NVIDIA-SMI has failed")
    (driver.folder / "code").write_text("0")
    driver.gpus(1)
    run.until_state(RunState.SUCCEEDED, 20)


def test_what_this_machine_has_not_is_not_waited_for(lab, driver):
    run = lab.shell("true", resources=Resources(gpus=["7"]))
    status = run.until_state(RunState.COULD_NOT_START)
    assert status.reason == "there is no GPU 7 here (there are GPU 0, GPU 1)"


def test_runs_with_a_budget_share_a_gpu(lab, driver):
    ten = Resources(gpus=["0"], memory=10 * GB)
    first, second = lab.gated("true", name="first", resources=ten), lab.gated("true", name="second", resources=ten)
    first.until_started()
    # What the first one has on the GPU is no stranger's.
    driver.processes((0, first.stage_pid, 5000))
    second.until_started()
    third = lab.shell("true", name="third", resources=ten)
    third.until_state(RunState.QUEUED)
    third.until(lambda: third.state().reason == "GPU 0 has 5.8 GB left: run first, run second")
    whole = lab.shell("true", name="whole", resources=GPU)
    until_waits(whole, "GPU 0 busy: run first, run second")
    driver.processes()
    lab.open_gate()
    whole.until_state(RunState.SUCCEEDED, 15)
    assert third.outcome.started_at <= whole.outcome.started_at


def test_a_killed_runner_frees_no_gpu(lab, driver):
    first = lab.shell("exec sleep 60", name="first", resources=GPU)
    first.until_started()
    first.kill_runner()
    second = lab.shell("true", name="second", resources=GPU)
    until_waits(second, "GPU 0 busy: run first")
    os.kill(first.stage_pid, signal.SIGKILL)
    second.until_state(RunState.SUCCEEDED)


VISITOR = """
cd {folder}
for device in $(echo {devices} | tr , ' '); do
    mkdir -p $device
    trap 'rm -f $device/$$; exit 1' INT TERM
    for other in $(ls $device); do echo together on $device; done
    touch $device/$$
    sleep 0.{pause}
    rm $device/$$
done
"""
"""Leaves a sign where it computes, and says whose signs it finds there."""


def crowd(lab, seed, number):
    """Many runs on two GPUs and the lane, while runners are killed and runs stopped. Returns their states.

    What waits without a runner gets another one, as every command sees to it.
    """
    chance = random.Random(seed)
    kinds = [
        (CPU, "lane"),
        *((resources, "$CUDA_VISIBLE_DEVICES") for resources in (GPU, Resources(gpus=1), Resources(gpus=2))),
    ]
    runs = []
    for n in range(number):
        resources, devices = chance.choice(kinds)
        script = VISITOR.format(folder=lab.cwd, devices=devices, pause=chance.randint(0, 3))
        runs.append(lab.shell(script, name=f"run{n}", resources=resources, cpu_lane=1))
        if chance.random() < 0.25:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(runs).process.runner.pid, signal.SIGKILL)
        if chance.random() < 0.1:
            request_stop(chance.choice(runs).attempt)

    def living():
        return [run.state() for run in runs if run.state().state.is_live]

    def all_have_ended():
        for attempt in queued_without_runner(lab.workspace):
            relaunch(attempt)
        return not living()

    wait_until(all_have_ended, 30 + number, describe=living, poll_seconds=0.2)
    assert not [run for run in runs if run.state().state is RunState.LOST and run.process.stage is None]
    assert not [line for run in runs for line in run.log().splitlines() if line.startswith("together")]
    return [run.state().state for run in runs]


@pytest.mark.slow
def test_no_two_of_a_crowd_have_the_same_device(lab, driver):
    assert crowd(lab, 1, 16).count(RunState.SUCCEEDED) > 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_no_two_of_a_great_crowd_have_the_same_device(lab, driver, seed):
    assert crowd(lab, seed, 60).count(RunState.SUCCEEDED) > 15
