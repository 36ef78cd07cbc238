"""What a failed parent or a reboot kept from running runs after all."""

import os
import signal

from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.supervise.launch.launch import launch
from engine.supervise.requeue import queued_without_runner, relaunch, release_children
from engine.supervise.state.status import AFTER_REBOOT

FAILS_ONCE = "[ -e tried ] || { touch tried; exit 3; }"


def retry(lab, run):
    spec = RunSpec.read(run.folder.spec)
    attempt = launch(lab.workspace, spec, attempt=run.attempt.number + 1)
    return lab.adopt(spec.id, attempt.number)


def test_a_parent_that_is_tried_again_releases_its_children_to_the_last(lab):
    parent = lab.shell(FAILS_ONCE, name="retrain")
    child = lab.shell("echo ptq", name="ptq", parents=[parent])
    grandchild = lab.shell("echo qat", name="qat", parents=[child])
    grandchild.until_state(RunState.DEPENDENCY_FAILED)
    again = retry(lab, parent)
    released = release_children(lab.workspace, parent.folder.id)
    assert [(attempt.path.parents[1].name, attempt.number) for attempt in released] == [
        (child.folder.id, 2),
        (grandchild.folder.id, 2),
    ]
    again.until_state(RunState.SUCCEEDED)
    last = lab.adopt(grandchild.folder.id, 2)
    last.until_state(RunState.SUCCEEDED)
    assert last.log() == "qat\n"
    assert release_children(lab.workspace, parent.folder.id) == []


def test_a_child_that_another_parent_keeps_from_running_is_left_alone(lab):
    parent, other = lab.shell(FAILS_ONCE, name="retrain"), lab.shell("exit 4", name="other")
    child = lab.shell("true", name="ptq", parents=[parent, other])
    child.until_state(RunState.DEPENDENCY_FAILED)
    parent.until_state(RunState.FAILED)
    other.until_state(RunState.FAILED)
    retry(lab, parent)
    assert release_children(lab.workspace, parent.folder.id) == []
    assert len(child.folder.attempts()) == 1


def test_what_has_run_or_was_stopped_is_not_tried_again(lab):
    parent = lab.gated("true", name="retrain")
    stopped = lab.shell("true", name="stopped", parents=[parent])
    stopped.until_state(RunState.QUEUED)
    os.kill(stopped.process.runner.pid, signal.SIGUSR1)
    stopped.until_state(RunState.STOPPED)
    lab.open_gate()
    parent.until_state(RunState.SUCCEEDED)
    assert release_children(lab.workspace, parent.folder.id) == []


def pretend_reboot(*runs):
    for run in runs:
        process = run.process
        for identity in (process.runner, process.stage):
            if identity is not None:
                os.kill(identity.pid, signal.SIGKILL)
        run.until(lambda run=run: not run.state().runner_alive)
        for path in (run.attempt.process, run.attempt.launch):
            path.write_text(path.read_text().replace(process.runner.boot_id, "another-boot"))


def test_a_reboot_loses_what_ran_and_leaves_queued_what_was_queued(lab):
    running = lab.gated("true", name="running")
    running.until_started()
    unhurt = lab.gated("true", name="unhurt")
    unhurt.until_started()
    after_lost = lab.shell("echo never", name="child", parents=[running])
    after_unhurt = lab.shell("echo at last", name="other", parents=[unhurt])
    for run in (after_lost, after_unhurt):
        run.until_state(RunState.QUEUED)
    pretend_reboot(running, after_lost, after_unhurt)
    assert running.state().state is RunState.LOST
    assert (after_unhurt.state().state, after_unhurt.state().reason) == (RunState.QUEUED, AFTER_REBOOT)
    attempts = queued_without_runner(lab.workspace)
    assert [attempt.path for attempt in attempts] == [after_lost.attempt.path, after_unhurt.attempt.path]
    for attempt in attempts:
        relaunch(attempt)
    assert after_lost.until_state(RunState.DEPENDENCY_FAILED).reason == "running was lost"
    assert after_unhurt.until_state(RunState.QUEUED).reason == "waits for unhurt"
    lab.open_gate()
    after_unhurt.until_state(RunState.SUCCEEDED)
    assert after_unhurt.log() == "at last\n"


def test_it_goes_on_in_the_environment_that_it_was_launched_in(lab, monkeypatch):
    monkeypatch.setenv("CUDA_CACHE_PATH", "/somewhere")
    parent = lab.gated("true")
    child = lab.shell('echo "$CUDA_CACHE_PATH"', parents=[parent])
    child.until_state(RunState.QUEUED)
    pretend_reboot(child)
    monkeypatch.delenv("CUDA_CACHE_PATH")
    relaunch(child.attempt)
    lab.open_gate()
    child.until_state(RunState.SUCCEEDED)
    assert child.log() == "/somewhere\n"
