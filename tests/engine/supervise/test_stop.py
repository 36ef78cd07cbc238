"""Stopping: with grace, to the last descendant, and shown while it happens."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from engine.contracts.attempt_records import Grace
from engine.contracts.run_folder import RunFolder
from engine.contracts.states import RunState
from engine.supervise.stop import request_stop
from tests.waiting import wait_until

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for kind in ("child", "session", "daemon"):
    if os.fork() == 0:
        if kind != "child":
            os.setsid()
        if kind == "daemon" and os.fork():
            os._exit(0)
        print(kind, flush=True)
        time.sleep(60)
print("up", flush=True)
time.sleep(60)
"""
"""A stage that ignores what it can, with a child, a child in its own session, and a double-forked daemon."""


def start_stubborn(lab):
    run = lab.python(STUBBORN)
    for word in ("child", "session", "daemon", "up"):
        run.until_printed(word)
    assert len(run.living()) == 4
    return run


def watch(run, seconds=5.0):
    """The words that a screen shows, in order, until the run has ended."""
    shown = []

    def has_ended():
        status = run.state()
        if status.state.is_live and status.stopping and status.stopping not in shown:
            shown.append(status.stopping)
        return not status.state.is_live

    wait_until(has_ended, seconds, describe=lambda: shown, poll_seconds=0.02)
    return shown


def stopping(run):
    """How far the stop came."""
    return json.loads(run.attempt.stopping.read_bytes())


def test_a_stubborn_stage_is_gone_after_three_signals(lab):
    run = start_stubborn(lab)
    assert request_stop(run.attempt)
    shown = watch(run)
    first_words = list(dict.fromkeys(words.split(",")[0] for words in shown if words != "stop requested"))
    assert first_words[:2] == ["SIGINT sent", "SIGTERM sent"]  # SIGKILL is over before one can look
    run.until(lambda: stopping(run)["signal"] == "SIGKILL")
    assert any("SIGTERM in 0 s" in words for words in shown)
    status = run.state()
    assert status.state is RunState.STOPPED
    assert status.reason == "stopped; signal 9 (SIGKILL)"
    assert 0.8 <= run.outcome.seconds < 3
    assert run.living() == []
    assert status.stopping == ""


def test_a_stage_that_takes_the_hint_is_left_to_finish(lab):
    run = lab.python(
        "import time\nprint('up', flush=True)\n"
        "try:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5)\n    print('saved')\n    raise SystemExit(130)",
        grace=Grace(sigint=5, sigterm=5),
    )
    run.until_printed("up")
    request_stop(run.attempt)
    status = run.until_state(RunState.STOPPED)
    assert status.exit_code == 130
    assert run.log() == "up\nsaved\n"
    assert stopping(run)["next_signal"] == "SIGTERM"  # it never came to that


def test_a_training_below_a_shell_keeps_its_grace_when_the_shell_dies(lab):
    """A shell dies of SIGINT at once; what it ran still saves its checkpoint."""
    training = (
        "import time\nprint('up', flush=True)\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    time.sleep(1.2); print('saved', flush=True)"
    )
    (lab.cwd / "train.py").write_text(training)
    run = lab.shell(f"{sys.executable} -S train.py; true", grace=Grace(sigint=4, sigterm=4, leftovers=0.3))
    run.until_printed("up")
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED)
    assert run.log() == "up\nsaved\n"


def test_now_skips_to_the_next_signal(lab):
    run = lab.python(STUBBORN, grace=Grace(sigint=60, sigterm=60))
    for word in ("child", "session", "daemon", "up"):
        run.until_printed(word)
    request_stop(run.attempt)
    run.until(lambda: run.state().stopping.startswith("SIGINT sent, SIGTERM in"))
    request_stop(run.attempt)  # asking again changes nothing
    time.sleep(0.1)
    assert run.state().stopping.startswith("SIGINT sent")
    request_stop(run.attempt, now=True)
    run.until(lambda: run.state().stopping.startswith("SIGTERM sent, SIGKILL in"))
    request_stop(run.attempt, now=True)
    run.until_state(RunState.STOPPED)
    assert run.living() == []


def test_a_stopped_process_is_woken_to_stop(lab):
    run = lab.shell("trap 'echo bye; exit 1' INT; echo up; while true; do sleep 0.1; done", grace=Grace(sigint=5))
    run.until_printed("up")
    os.kill(run.stage_pid, signal.SIGSTOP)
    request_stop(run.attempt)
    run.until_state(RunState.STOPPED)
    assert "bye" in run.log()


def test_sigterm_to_the_runner_stops_the_run(lab):
    run = lab.run(["sleep", "30"])
    os.kill(run.process.runner.pid, signal.SIGTERM)
    assert run.until_state(RunState.STOPPED).reason == "the runner got SIGTERM; signal 2 (SIGINT)"


def test_a_run_that_has_ended_cannot_be_stopped(lab):
    run = lab.shell("true")
    run.until_state(RunState.SUCCEEDED)
    assert request_stop(run.attempt) is False
    assert run.state().state is RunState.SUCCEEDED


def test_a_run_that_finished_before_the_signal_reached_it_has_succeeded(lab):
    finished = 'echo "{}" > "$YOLOQAT_ATTEMPT/../../result.json"; echo up; trap "exit 0" INT; sleep 30 & wait'
    run = lab.shell(finished, stage="retrain")
    run.until_printed("up")
    request_stop(run.attempt)
    run.until_state(RunState.SUCCEEDED)


def test_a_stage_without_runner_is_stopped_in_the_same_way(lab):
    run = start_stubborn(lab)
    run.kill_runner()
    assert len(run.living()) == 4
    assert request_stop(run.attempt)
    shown = watch(run)
    first_words = list(dict.fromkeys(words.split(",")[0] for words in shown if words != "stop requested"))
    assert first_words[:2] == ["SIGINT sent", "SIGTERM sent"]  # SIGKILL is over before one can look
    run.until(lambda: stopping(run)["signal"] == "SIGKILL")
    run.until(lambda: run.attempt.outcome.exists())
    status = run.state()
    assert status.state is RunState.STOPPED
    assert "exit code is unknown" in status.reason
    assert run.living() == []


def test_what_a_lost_run_left_behind_can_be_stopped(lab):
    run = start_stubborn(lab)
    run.kill_runner()
    run.kill_stage()
    run.until_state(RunState.ENDED)
    assert len(run.living()) == 3
    assert request_stop(run.attempt)
    run.until(lambda: run.attempt.outcome.exists())
    assert run.living() == []
    assert request_stop(run.attempt) is False


def test_one_that_has_shed_its_environment_is_found_without_the_runner(lab):
    """A daemon started with `env -i` is nobody's child, and carries nothing that tells where it belongs."""
    run = lab.shell("(env -i setsid sh -c 'echo $$; exec sleep 60' &) ; exec sleep 60")
    run.until(lambda: run.log().strip().isdigit())
    daemon = int(run.log())
    run.kill_runner()
    run.kill_stage()
    run.until(lambda: run.living() == [daemon])
    assert request_stop(run.attempt)
    run.until(lambda: run.living() == [])


def test_now_reaches_the_stopper_too(lab):
    run = lab.python(STUBBORN, grace=Grace(sigint=60, sigterm=60))
    run.until_printed("up")
    run.kill_runner()
    request_stop(run.attempt)
    run.until(lambda: run.state().stopping.startswith("SIGINT sent"))
    request_stop(run.attempt, now=True)
    run.until(lambda: run.state().stopping.startswith("SIGTERM sent"))
    request_stop(run.attempt, now=True)
    run.until_state(RunState.STOPPED)
    assert run.living() == []


def test_a_run_launched_from_inside_a_run_is_a_run_of_its_own(lab, launcher):
    inner = "20260101-000000-iiii"
    process = launcher(inner, ["sleep", "30"])
    process.kill()
    code = process.args[2]
    outer = lab.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {os.getcwd()!r})\n{code}"])
    inside = lab.adopt(inner)
    outer.until_printed("launched")
    request_stop(outer.attempt)
    outer.until_state(RunState.STOPPED)
    assert inside.state().state is RunState.RUNNING


@pytest.mark.parametrize("step", range(8))
def test_a_stop_that_comes_while_it_starts_is_not_lost(lab, step):
    """At whatever moment it comes, the run is stopped."""
    run_folder: list[RunFolder] = []

    def stop_soon():
        while not run_folder:
            found = list(lab.workspace.runs.glob("*/attempts/1/launch.json")) if lab.workspace.runs.exists() else []
            if found:
                run_folder.append(RunFolder(found[0].parents[2]))
        time.sleep(step * 0.012)
        assert request_stop(run_folder[0].attempt(1))

    thread = threading.Thread(target=stop_soon)
    thread.start()
    run = lab.shell("sleep 30")
    thread.join()
    run.until_state(RunState.STOPPED)
