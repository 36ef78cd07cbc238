"""Who a process is, and signals that reach nobody else."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from engine.runner.processes import identity as identity_module
from engine.runner.processes.identity import (
    ALIVE,
    ELSEWHERE,
    GONE,
    REBOOTED,
    from_record,
    identify,
    presence,
    read_stat,
    send_signal,
)
from tests.waiting import wait_until


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "30"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_until_it_ends(sleeper):
    who = identify(sleeper.pid)
    assert presence(who) == ALIVE
    sleeper.kill()
    wait_until(lambda: presence(who) != ALIVE, 5)
    assert presence(who) == GONE  # a zombie still
    assert read_stat(sleeper.pid).state == "Z"
    sleeper.wait()
    assert presence(who) == GONE


def test_the_same_pid_with_another_start_is_another_process(sleeper):
    who = identify(sleeper.pid)
    impostor = who._replace(start_time=who.start_time - 1)
    assert presence(impostor) == GONE
    assert not send_signal(impostor, signal.SIGKILL)
    assert sleeper.poll() is None
    assert send_signal(who, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL


def test_another_boot_and_another_machine_are_told_apart(sleeper):
    who = identify(sleeper.pid)
    assert presence(who._replace(boot_id="another")) == REBOOTED
    assert presence(who._replace(boot_id="another", host="another")) == ELSEWHERE
    assert presence(who._replace(pid_namespace="pid:[1]")) == ELSEWHERE


def test_a_kernel_without_process_descriptors(sleeper, monkeypatch):
    def missing(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(identity_module.os, "pidfd_open", missing)
    who = identify(sleeper.pid)
    assert not send_signal(who._replace(start_time=1), signal.SIGKILL)
    assert send_signal(who, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL


def test_a_name_with_spaces_and_parentheses(tmp_path):
    program = tmp_path / "a) b (c"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    process = subprocess.Popen([str(program), "30"])
    try:
        wait_until(lambda: b"a) b" in Path(f"/proc/{process.pid}/stat").read_bytes(), 5)
        assert read_stat(process.pid).ppid == os.getpid()
    finally:
        process.kill()
        process.wait()


def test_a_record_of_another_shape_is_none():
    assert from_record(None) is None
    assert from_record({"pid": 1}) is None
    who = identify(os.getpid())
    assert from_record(who._asdict()) == who


def test_no_process_is_none():
    assert identify(2**22 + 1) is None
