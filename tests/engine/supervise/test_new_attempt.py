"""An attempt is seen whole or not at all: whoever waits for a run must not take one in the making for a lost one."""

import os
import signal
import threading
import time

import pytest

from engine.contracts.errors import YoloqatError
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.runner.waiting import dependencies
from engine.supervise.launch.launch import launch_held, write_attempt
from engine.supervise.launch.new_attempt import new_attempt

SLOW_GIT = "#!/bin/sh\nsleep 0.4\nexit 128\n"


def test_a_child_goes_on_waiting_while_its_paused_parent_is_put_back(lab, tmp_path, monkeypatch):
    parent = lab.shell("exit 130", name="parent")
    parent.until_state(RunState.FAILED)
    parent.attempt.pause.write_text("{}")  # its next attempt is about to be queued
    child = lab.shell("true", name="child", parents=[parent])
    child.until_state(RunState.QUEUED)
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(SLOW_GIT)
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    spec = RunSpec.read(parent.folder.spec)
    maker = threading.Thread(
        target=launch_held, args=(lab.workspace, spec), kwargs={"attempt": 2, "argv": ["true"], "why": "paused"}
    )
    began = time.monotonic()
    maker.start()
    fates = set()
    while maker.is_alive():
        fates.add(dependencies.dependency_status(str(parent.folder.path)))
        time.sleep(0.01)
    maker.join()
    assert time.monotonic() - began > 0.4, "git was slow while the attempt was made"
    assert fates == {(dependencies.PENDING, "")}
    again = lab.adopt(parent.folder.id, 2)
    again.until_state(RunState.QUEUED)
    assert again.state().reason == "paused"
    assert child.state().state is RunState.QUEUED
    os.kill(again.process.runner.pid, signal.SIGUSR1)


def test_an_attempt_that_an_older_launcher_is_making_is_waited_for(lab):
    parent = lab.shell("exit 3", name="parent")
    parent.until_state(RunState.FAILED)
    made_first = parent.folder.attempt(2).path
    made_first.mkdir()
    assert dependencies.dependency_status(str(parent.folder.path)) == (dependencies.PENDING, "")
    os.utime(made_first, (time.time() - 3600,) * 2)
    assert dependencies.dependency_status(str(parent.folder.path)) == (dependencies.FAILED, "was lost")


def test_a_runner_that_starts_late_is_waited_for_as_long_as_its_launcher_lives(lab):
    spec = RunSpec(id="20260101-000000-aaaa", name="parent", command=["true"], cwd=str(lab.cwd), stage="command")
    attempt = write_attempt(lab.workspace, spec)
    folder = str(lab.workspace.run(spec.id).path)
    os.utime(attempt.launch, (time.time() - 120,) * 2)
    assert dependencies.dependency_status(folder) == (dependencies.PENDING, "")
    os.utime(attempt.launch, (time.time() - 3600,) * 2)
    assert dependencies.dependency_status(folder) == (dependencies.FAILED, "was lost")


def test_an_attempt_that_cannot_be_written_leaves_nothing(lab):
    run = lab.shell("true")
    run.until_state(RunState.SUCCEEDED)
    with pytest.raises(FileNotFoundError), new_attempt(run.folder, 2) as attempt:
        (attempt.path / "missing" / "launch.json").touch()
    with pytest.raises(YoloqatError, match="exists already"), new_attempt(run.folder, 1):
        pass
    assert os.listdir(run.folder.path / "attempts") == ["1"]
