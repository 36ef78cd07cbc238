"""What is killed around a stage does not reach it, and its state stays true."""

import json
import os
import pty
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.contracts.states import RunState
from engine.supervise.stop import request_stop

BARS = r"for i in 0 1 2 3; do printf '   %s/3   1.2G  0.05  %s5%%%%|##   | 1/4\r' $i $i; sleep 0.1; done; sleep 30"
GATE = "until [ -e go ]; do sleep 0.03; done; "
FINISH = 'echo "{}" > "$(dirname "$YOLOQAT_ATTEMPT")/../result.json"'
"""What a stage of ours does last (the contents do not matter here)."""


def test_the_end_of_the_launching_process_group_does_not_reach_the_run(lab, launcher):
    process = launcher("20260101-000000-aaaa", ["sh", "-c", GATE + "echo done"], start_new_session=True)
    assert process.stdout.readline() == b"launched\n"
    os.killpg(process.pid, signal.SIGKILL)
    run = lab.adopt("20260101-000000-aaaa")
    assert run.state().state is RunState.RUNNING
    lab.open_gate()
    run.until_state(RunState.SUCCEEDED)
    assert run.log() == "done\n"


def test_the_end_of_the_terminal_does_not_reach_the_run(lab, launcher):
    controller, terminal = pty.openpty()
    take_it = f"import fcntl, termios; os.setsid(); fcntl.ioctl({terminal}, termios.TIOCSCTTY, 0)"
    process = launcher("20260101-000000-bbbb", ["sh", "-c", GATE + "echo done"], take_it, pass_fds=[terminal])
    assert process.stdout.readline() == b"launched\n"
    os.close(terminal)
    os.close(controller)  # as sshd does: the kernel sends SIGHUP to the session
    assert process.wait(5) == -signal.SIGHUP
    run = lab.adopt("20260101-000000-bbbb")
    lab.open_gate()
    run.until_state(RunState.SUCCEEDED)
    assert run.log() == "done\n"


def test_sighup_to_runner_and_stage_is_ignored(lab):
    run = lab.gated("echo done")
    run.until_started()
    os.kill(run.process.runner.pid, signal.SIGHUP)
    os.kill(run.stage_pid, signal.SIGHUP)
    lab.open_gate()
    run.until_state(RunState.SUCCEEDED)


def test_a_launched_run_is_nobodys_child(lab):
    """Else a screen that stays open would collect the zombies of its runners."""
    run = lab.shell("sleep 30")
    fields = Path(f"/proc/{run.process.runner.pid}/stat").read_text().rsplit(")", 1)[1].split()
    parent, session = int(fields[1]), int(fields[3])
    assert parent != os.getpid()
    assert session == run.process.runner.pid


def test_the_runner_is_small(lab):
    run = lab.shell("sleep 30", sample_seconds=0.05)
    run.until(lambda: run.attempt.system.exists())
    status = Path(f"/proc/{run.process.runner.pid}/status").read_text()
    [resident] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    assert resident <= 16 * 1024  # kB, at its peak


def test_a_stage_whose_runner_is_killed_runs_on_and_is_settled_by_its_result(lab):
    run = lab.gated(FINISH, stage="retrain")
    run.kill_runner()
    status = run.state()
    assert status.state is RunState.RUNNING
    assert status.stage_alive
    assert not status.runner_alive
    assert status.reason == "its runner was lost; the stage goes on"
    assert status.seconds > 0
    lab.open_gate()
    assert run.until_state(RunState.SUCCEEDED).reason == "it finished; its runner was lost before"


def test_a_result_without_the_promised_artifact_is_no_success(lab):
    run = lab.gated(FINISH, stage="retrain", artifacts={"best": "weights/best.pt"})
    run.kill_runner()
    lab.open_gate()
    assert run.until_state(RunState.FAILED).reason == "it finished, but weights/best.pt is missing"


def test_a_foreign_command_whose_runner_was_killed_has_ended(lab):
    run = lab.gated("echo '30 epochs completed in 22.593 hours.'; echo")
    run.kill_runner()
    lab.open_gate()
    status = run.until_state(RunState.ENDED)
    assert "exit code unknown" in status.reason
    assert "the log is complete: 30 epochs completed in 22.593 hours" in status.reason


def test_a_traceback_is_told_where_the_exit_code_is_unknown(lab):
    run = lab.gated(f"{sys.executable} -S -c \"raise ValueError('no labels in train')\"")
    run.kill_runner()
    lab.open_gate()
    assert "the log ends in a traceback: ValueError: no labels in train" in run.until_state(RunState.ENDED).reason


def test_both_killed_in_the_middle_of_a_bar_is_lost(lab):
    run = lab.shell(BARS)
    run.until_printed("1/3")
    run.kill_runner()
    run.kill_stage()
    status = run.until_state(RunState.LOST)
    assert "the log stops in the middle" in status.reason
    assert status.exit_code is None


def test_a_stage_of_ours_without_result_is_lost(lab):
    run = lab.shell("echo a whole line; exec sleep 30", stage="retrain")
    run.until_printed("line")
    run.kill_runner()
    run.kill_stage()
    run.until_state(RunState.LOST)


def test_a_reboot_is_told(lab):
    run = lab.shell("echo a whole line; exec sleep 30")
    run.until_printed("line")
    run.kill_runner()
    run.kill_stage()
    rewrite(run, boot_id="another-boot")
    assert run.state().state is RunState.LOST
    assert run.state().reason == "the machine restarted"


def test_a_pid_that_another_program_has_now_is_not_the_run(lab):
    run = lab.shell("echo a whole line; exec sleep 30")
    run.until_printed("line")
    run.kill_runner()
    run.kill_stage()
    rewrite(run, pid=os.getpid())  # alive, but with another start time
    assert run.state().state is RunState.ENDED
    received = []
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.signal(number, lambda number, _: received.append(number)) for number in signals]
    try:
        assert request_stop(run.attempt) is False
        time.sleep(0.1)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
    assert received == []
    assert run.state().state is RunState.ENDED


def test_a_zombie_is_gone(lab):
    child = os.fork()
    if child == 0:
        os._exit(0)
    run = lab.shell("echo a whole line; exec sleep 30")
    run.until_printed("line")
    start_time = int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[19])
    run.kill_runner()
    run.kill_stage()
    rewrite(run, pid=child, start_time=start_time)
    assert run.state().state is RunState.ENDED
    os.waitpid(child, 0)


def test_a_run_in_another_container_is_known_by_its_lock(lab):
    """Its pids mean nothing here. The lock on its folder is held as long as runner or stage lives."""
    run = lab.shell("echo a whole line; exec sleep 30")
    run.until_printed("line")
    rewrite(run, pid=1, pid_namespace="pid:[1]", host="elsewhere")
    assert run.state().state is RunState.RUNNING
    assert run.state().reason == "on elsewhere"
    with pytest.raises(Exception, match="cannot be signalled from here"):
        request_stop(run.attempt)
    for pid in run.living():  # the runner too: it is not the one that the record names
        os.kill(pid, signal.SIGKILL)
    run.until_state(RunState.ENDED)


def rewrite(run, **identity):
    """Change who runner and stage are said to be."""
    record = json.loads(run.attempt.process.read_bytes())
    for name in ("runner", "stage"):
        record[name].update(identity)
    run.attempt.process.write_text(json.dumps(record))


LINES = 25
STAGE = f"""
import os, sys, time
for i in range({LINES}):
    sys.stderr.write(f'bar {{i}}\\r')
    print(f'row {{i}}')
    time.sleep(0.02)
open(os.environ['YOLOQAT_ATTEMPT'] + '/../../result.json', 'w').write('{{}}')
"""


def survive(lab, seed):
    """Kill what stands around a stage at random moments; it must end as if nothing had been."""
    choice = random.Random(seed)
    run = lab.python(STAGE, stage="retrain")
    run.until_started()
    for _ in range(choice.randrange(1, 4)):
        time.sleep(choice.uniform(0, 0.25))
        target = choice.choice(["runner", "hangup", "state"])
        pid = run.process.runner.pid
        if target == "state":
            assert run.state().state in (RunState.RUNNING, RunState.SUCCEEDED)
        elif run.state().runner_alive:
            os.kill(pid, signal.SIGKILL if target == "runner" else signal.SIGHUP)
    run.until_state(RunState.SUCCEEDED)
    rows = [line.rsplit("\r", 1)[-1] for line in run.log().split("\n") if line]
    assert rows == [f"row {number}" for number in range(LINES)]
    assert run.living() == []


def test_random_kills(lab):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: survive(lab, seed), range(12)))


@pytest.mark.slow
def test_200_random_kills(lab):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: survive(lab, seed), range(1000, 1200)))
