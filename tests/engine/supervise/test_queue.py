"""Runs that wait for the runs they need."""

import json
import os
import signal
import time

import pytest

from engine.contracts.errors import YoloqatError
from engine.contracts.states import RunState
from engine.runner.processes.identity import boot_id
from engine.supervise.launch.launch import start_runner
from engine.supervise.requeue import queued_without_runner, relaunch
from engine.supervise.state.status import RUNNER_LOST
from engine.supervise.stop import request_stop


def test_a_child_waits_for_its_parent(lab):
    parent = lab.gated("touch made", name="relu-retrain")
    child = lab.shell("ls made", parents=[parent])
    status = child.until_state(RunState.QUEUED)
    assert status.reason == "waits for relu-retrain"
    assert status.started_at is None
    lab.open_gate()
    child.until_state(RunState.SUCCEEDED)
    assert child.log() == "made\n"
    assert child.outcome.started_at >= parent.outcome.ended_at


def test_a_child_of_two_waits_for_both(lab):
    slow, quick = lab.gated("true", name="slow"), lab.shell("true", name="quick")
    child = lab.shell("true", parents=[slow, quick])
    child.until(lambda: child.state().reason == "waits for slow")
    lab.open_gate()
    child.until_state(RunState.SUCCEEDED)


def test_a_failed_parent_fails_its_children_to_the_last(lab):
    parent = lab.gated("exit 3", name="retrain")
    child = lab.shell("echo never", name="ptq", parents=[parent])
    grandchild = lab.shell("echo never", name="qat", parents=[child])
    lab.open_gate()
    assert child.until_state(RunState.DEPENDENCY_FAILED).reason == "retrain failed: exit code 3"
    status = grandchild.until_state(RunState.DEPENDENCY_FAILED)
    assert status.reason == "ptq could not run: retrain failed: exit code 3"
    assert child.log() == grandchild.log() == ""


def test_a_parent_without_its_artifact_is_no_success(lab):
    parent = lab.shell("true", name="retrain", artifacts={"best": "weights/best.pt"})
    child = lab.shell("echo never", parents=[parent])
    status = child.until_state(RunState.DEPENDENCY_FAILED)
    assert status.reason == "retrain failed: exit code 0, but weights/best.pt is missing"


def test_a_lost_parent_fails_its_child(lab):
    parent = lab.shell("echo line; sleep 30", name="retrain")
    child = lab.shell("echo never", parents=[parent])
    child.until_state(RunState.QUEUED)
    parent.kill_runner()
    assert child.state().state is RunState.QUEUED  # its stage still lives
    parent.kill_stage()
    assert child.until_state(RunState.DEPENDENCY_FAILED).reason == "retrain was lost"


def test_a_parent_that_lost_its_runner_can_still_succeed(lab):
    parent = lab.gated('echo "{}" > "$YOLOQAT_ATTEMPT/../../result.json"', stage="retrain")
    child = lab.shell("true", parents=[parent])
    child.until_state(RunState.QUEUED)
    parent.kill_runner()
    lab.open_gate()
    child.until_state(RunState.SUCCEEDED)


def test_a_queued_run_can_be_stopped(lab):
    parent = lab.shell("sleep 30")
    child = lab.shell("echo never", parents=[parent])
    child.until_state(RunState.QUEUED)
    assert request_stop(child.attempt)
    status = child.until_state(RunState.STOPPED)
    assert status.reason == "stopped before it started"
    assert child.log() == ""
    assert parent.state().state is RunState.RUNNING


def test_a_stopped_parent_stops_the_chain_with_the_reason(lab):
    parent = lab.run(["sleep", "30"], name="retrain")
    child = lab.shell("echo never", parents=[parent])
    child.until_state(RunState.QUEUED)
    request_stop(parent.attempt)
    assert child.until_state(RunState.DEPENDENCY_FAILED).reason == "retrain was stopped: stopped; signal 2 (SIGINT)"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_queued_run_whose_runner_was_killed_is_queued_again(lab, number):
    """Nobody asked for its end and nothing of it has computed: it has none, and another runner takes it up."""
    parent = lab.gated("true", name="retrain")
    child = lab.shell("echo at last", name="ptq", parents=[parent])
    grandchild = lab.shell("echo after it", parents=[child])
    child.until_state(RunState.QUEUED)
    grandchild.until_state(RunState.QUEUED)
    os.kill(child.process.runner.pid, number)
    child.until(lambda: child.state().reason == RUNNER_LOST)
    assert child.state().state is RunState.QUEUED
    time.sleep(1.2)  # the grandchild has looked at it meanwhile
    assert grandchild.state().reason == "waits for ptq"
    assert [attempt.path for attempt in queued_without_runner(lab.workspace)] == [child.attempt.path]
    relaunch(child.attempt)
    child.until(lambda: child.state().reason == "waits for retrain")
    assert queued_without_runner(lab.workspace) == []
    lab.open_gate()
    grandchild.until_state(RunState.SUCCEEDED)
    assert child.log() == "at last\n"


def test_a_queued_run_without_runner_can_be_stopped(lab):
    parent = lab.gated("true")
    child = lab.shell("echo never", parents=[parent])
    child.until_state(RunState.QUEUED)
    child.kill_runner()
    assert request_stop(child.attempt)
    assert child.state().state is RunState.STOPPED
    assert child.state().reason == "stopped before it started"
    assert request_stop(child.attempt) is False
    assert queued_without_runner(lab.workspace) == []


def test_what_waited_on_another_machine_is_not_queued_here(lab):
    parent = lab.gated("true")
    child = lab.shell("echo there", parents=[parent])
    child.until_state(RunState.QUEUED)
    child.kill_runner()
    record = json.loads(child.attempt.process.read_text())
    record["runner"].update(host="elsewhere", boot_id="another-boot")
    child.attempt.process.write_text(json.dumps(record))
    assert child.state().state is RunState.LOST
    assert child.state().reason == "its runner was lost on elsewhere before the stage had started"
    assert queued_without_runner(lab.workspace) == []
    record["runner"].update(boot_id=boot_id(), pid_namespace="another")  # a container of this machine that has gone
    child.attempt.process.write_text(json.dumps(record))
    assert child.state().state is RunState.QUEUED
    relaunch(child.attempt)
    lab.open_gate()
    child.until_state(RunState.SUCCEEDED)
    assert child.log() == "there\n"


def test_a_stage_is_never_started_twice(lab):
    run = lab.shell("echo once; exec sleep 30")
    run.until_printed("once")
    run.kill_runner()
    run.kill_stage()
    with pytest.raises(YoloqatError, match="started before"):
        start_runner(run.attempt)
    assert run.log() == "once\n"
