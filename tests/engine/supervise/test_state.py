"""The decision itself, on evidence made up; and how silence and logs are judged."""

import json
import os
import time
from datetime import UTC, datetime

import pytest

from engine.contracts.attempt_records import LaunchRecord, ProcessIdentity, ProcessRecord, StoppingRecord
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import RunFolder
from engine.contracts.states import RunState
from engine.runner.processes.identity import ALIVE, GONE, REBOOTED, presence
from engine.supervise.state.console_tail import LogEnding, judge_ending
from engine.supervise.state.process_facts import ProcessFacts, Silence, identity_of, measure_silence
from engine.supervise.state.status import decide, describe_stop, is_stalled, read_state

SOMEBODY = ProcessIdentity(pid=1, start_time=1, boot_id="b", host="h", pid_namespace="n")
PROCESS = ProcessRecord(runner=SOMEBODY, stage=SOMEBODY)
OURS = LaunchRecord(run_id="x", stage="qat", argv=["true"], cwd="/")
FOREIGN = LaunchRecord(run_id="x", stage="command", argv=["true"], cwd="/")


def ended(**fields):
    return ProcessFacts(outcome=Outcome(**{"kind": OutcomeKind.EXITED, "reason": "why", **fields}))


@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        (ended(exit_code=0), RunState.SUCCEEDED),
        (ended(exit_code=0, missing_artifacts=["weights/best.pt"]), RunState.FAILED),
        (ended(exit_code=3), RunState.FAILED),
        (ended(exit_code=130, stop_requested=True), RunState.STOPPED),
        (ended(exit_code=0, stop_requested=True), RunState.STOPPED),
        (ended(kind=OutcomeKind.SIGNALED, signal=9), RunState.KILLED),
        (ended(kind=OutcomeKind.SIGNALED, signal=9, oom_kill=True), RunState.OUT_OF_MEMORY),
        (ended(kind=OutcomeKind.SIGNALED, signal=2, stop_requested=True), RunState.STOPPED),
        (ended(kind=OutcomeKind.COULD_NOT_START), RunState.COULD_NOT_START),
        (ended(kind=OutcomeKind.DEPENDENCY_FAILED), RunState.DEPENDENCY_FAILED),
        (ended(kind=OutcomeKind.CANCELLED, stop_requested=True), RunState.STOPPED),
        (ended(kind=OutcomeKind.ENDED, stop_requested=True), RunState.STOPPED),
        (ProcessFacts(process=PROCESS, runner=ALIVE), RunState.STARTING),
        (ProcessFacts(process=PROCESS, runner=ALIVE, waiting="waits for x"), RunState.QUEUED),
        (ProcessFacts(process=PROCESS, runner=ALIVE, stage=ALIVE), RunState.RUNNING),
        # The stage has gone and its runner is about to say how.
        (ProcessFacts(process=PROCESS, runner=ALIVE, stage=GONE), RunState.RUNNING),
        (ProcessFacts(process=PROCESS, runner=GONE, stage=ALIVE), RunState.RUNNING),
        (ProcessFacts(process=PROCESS, runner=GONE), RunState.LOST),
        (ProcessFacts(process=PROCESS, runner=REBOOTED), RunState.LOST),
        (ProcessFacts(process=PROCESS, launch=FOREIGN, runner=REBOOTED), RunState.QUEUED),
        (ProcessFacts(process=PROCESS, launch=FOREIGN, runner=GONE), RunState.QUEUED),
        (ProcessFacts(process=PROCESS, launch=FOREIGN, runner=GONE, host="there"), RunState.LOST),
        (ProcessFacts(process=PROCESS, launch=FOREIGN, runner=GONE, stop_asked=True), RunState.STOPPED),
        (ProcessFacts(process=PROCESS, runner=REBOOTED, stage=REBOOTED, finished=True), RunState.SUCCEEDED),
        (ProcessFacts(process=PROCESS, runner=REBOOTED, stage=REBOOTED), RunState.LOST),
        (ProcessFacts(process=PROCESS, runner=GONE, stage=GONE, stop_asked=True), RunState.STOPPED),
        (ProcessFacts(launch=FOREIGN, launcher=ALIVE), RunState.STARTING),
        (ProcessFacts(launch=FOREIGN, launcher=ALIVE, age_seconds=3600), RunState.COULD_NOT_START),
        (ProcessFacts(launch=FOREIGN, launcher=GONE), RunState.COULD_NOT_START),
        (ProcessFacts(ending=LogEnding("line", "an imported log")), RunState.ENDED),
    ],
)
def test_the_state_follows_from_the_evidence(evidence, state):
    assert decide(evidence)[0] is state


@pytest.mark.parametrize(
    ("kind", "launch", "state"),
    [
        ("nothing", FOREIGN, RunState.LOST),
        ("cut off", FOREIGN, RunState.LOST),
        ("line", FOREIGN, RunState.ENDED),
        ("complete", FOREIGN, RunState.ENDED),
        ("traceback", FOREIGN, RunState.ENDED),
        ("interrupted", OURS, RunState.ENDED),
        ("traceback", OURS, RunState.ENDED),
        # Ours leaves result.json when it is done, so without one it was not.
        ("line", OURS, RunState.LOST),
        ("complete", OURS, RunState.LOST),
    ],
)
def test_without_outcome_the_log_decides(kind, launch, state):
    evidence = ProcessFacts(process=PROCESS, runner=GONE, stage=GONE, launch=launch, ending=LogEnding(kind, "text"))
    assert decide(evidence)[0] is state


TRACEBACK = 'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    main()\n'


@pytest.mark.parametrize(
    ("tail", "kind", "out_of_memory"),
    [
        ("", "nothing", False),
        ("\r\n \n", "nothing", False),
        ("some words\n", "line", False),
        ("some wor", "cut off", False),
        ("  0/29  11.2G  37%|###7      | 370/1000 [01:00<01:40]", "cut off", False),
        ("  0/29  11.2G 100%|##########| 1000/1000 [02:40<00:00]", "line", False),
        ("  0/29   9%|9 | 1/11\r  0/29  18%|#8 | 2/11\r", "cut off", False),
        ("30 epochs completed in 22.593 hours.\n\nOptimizer stripped from best.pt, 75.6MB\n", "complete", False),
        (TRACEBACK + "ValueError: no labels\n", "traceback", False),
        (TRACEBACK + "KeyboardInterrupt\n", "interrupted", False),
        (TRACEBACK + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.\n", "traceback", True),
        ("RuntimeError: CUDA error: out of memory\n" + TRACEBACK + "ChildFailedError: train.py\n", "traceback", True),
        ("CUDA out of memory, halving\n  0/29  50%|##### | 1/2\n", "cut off", False),
        ("\x1b[31m  0/29  37%|###7      | 370/1000\x1b[0m", "cut off", False),
    ],
)
def test_how_a_log_ends(tail, kind, out_of_memory):
    ending = judge_ending(tail)
    assert (ending.kind, ending.out_of_memory) == (kind, out_of_memory)


def test_stalled_needs_ten_minutes_and_five_times_the_usual_silence():
    assert not is_stalled(None)
    assert not is_stalled(Silence(599))
    assert is_stalled(Silence(601))
    assert not is_stalled(Silence(601, usual=121))
    assert is_stalled(Silence(606, usual=121))
    assert not is_stalled(Silence(1800, usual=2), rhythm_seconds=400)


def test_a_silence_that_it_has_come_back_from_before_is_part_of_its_rhythm():
    """Bars ten times a second, and a validation that says nothing for twenty minutes."""
    assert not is_stalled(Silence(1200, usual=5, longest=1200))
    assert is_stalled(Silence(1801, usual=5, longest=1200))


def test_a_silent_run_is_stalled_and_still_running(lab):
    run = lab.shell("echo up; sleep 30", sample_seconds=3600)
    run.until_printed("up")
    long_ago = time.time() - 700
    os.utime(run.attempt.console, (long_ago, long_ago))
    status = run.state()
    assert status.state is RunState.RUNNING
    assert status.stalled
    assert status.reason == "silent for 11 min"
    assert not read_state(run.folder, rhythm_seconds=300).stalled


def test_a_clock_that_jumps_makes_nothing_stalled(lab):
    """The runner measures silence itself, by the monotonic clock."""
    run = lab.shell("while true; do echo line; sleep 0.05; done", sample_seconds=0.1)
    run.until(lambda: run.attempt.system.exists() and run.attempt.system.stat().st_size > 0)
    hour = time.time() - 3700
    run.kill_stage()
    os.utime(run.attempt.console, (hour, hour))
    assert measure_silence(run.attempt).seconds < 60


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_moved_changes_no_state(lab, monkeypatch, hours):
    """Whoever looks has another clock than runner and stage had: nothing is decided by the difference."""
    run = lab.gated("echo up", sample_seconds=0.1)
    run.until_started()
    child = lab.shell("echo after it", name="child", parents=[run])
    child.until_state(RunState.QUEUED)
    run.until(lambda: run.attempt.system.exists() and run.attempt.system.stat().st_size > 0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * hours)
    status = run.state()
    assert (status.state, status.stalled) == (RunState.RUNNING, False)
    assert 0 < status.seconds < 60
    assert child.state().reason == "waits for run"
    moved = real() - 3600 * hours
    for path in (run.attempt.console, run.attempt.process, run.attempt.launch, child.attempt.launch):
        os.utime(path, (moved, moved))
    assert (run.state().state, run.state().stalled) == (RunState.RUNNING, False)
    lab.open_gate()
    status = child.until_state(RunState.SUCCEEDED)
    assert 0 <= status.seconds < 60
    os.utime(run.attempt.outcome, (moved, moved))
    assert run.state().state is RunState.SUCCEEDED


def test_without_its_runner_a_run_keeps_its_rhythm_and_no_clock_makes_it_stalled(lab):
    run = lab.gated("echo up")
    run.kill_runner()
    monotonic = time.monotonic()
    sample = {"monotonic": monotonic - 100, "silent_seconds": 20.0, "rhythm_seconds": 400.0}
    run.attempt.system.write_text(json.dumps(sample) + "\n")
    hour = time.time() - 3700
    os.utime(run.attempt.console, (hour, hour))  # the clock was put forward
    silence = measure_silence(run.attempt)
    assert 119 < silence.seconds < 180
    assert not run.state().stalled
    for silent, stalled in ((1900, False), (2100, True)):  # five times an epoch of 400 s
        run.attempt.system.write_text(json.dumps({**sample, "monotonic": monotonic - silent}) + "\n")
        os.utime(run.attempt.console, (time.time() - silent, time.time() - silent))
        assert run.state().stalled is stalled
    words = "its runner was lost; the stage goes on; silent for 35 min, usually 400 s"
    assert run.state().reason == words
    lab.open_gate()


def test_a_stop_in_words():
    assert describe_stop(None, asked=False) == ""
    assert describe_stop(None, asked=True) == "stop requested"
    sent = StoppingRecord(
        signal="SIGINT", sent_at=datetime.now(UTC), next_signal="SIGTERM", next_at_monotonic=time.monotonic() + 12.2
    )
    assert describe_stop(sent, asked=True) == "SIGINT sent, SIGTERM in 12 s"
    assert describe_stop(StoppingRecord(signal="SIGKILL", sent_at=datetime.now(UTC)), asked=True) == "SIGKILL sent"


def test_a_folder_without_attempts(tmp_path):
    assert read_state(RunFolder(tmp_path)).state is RunState.COULD_NOT_START


def test_records_that_are_damaged_do_not_raise(lab):
    run = lab.shell("true")
    run.until_state(RunState.SUCCEEDED)
    run.until(lambda: presence(identity_of(run.process.runner)) == GONE)
    for path in (run.attempt.outcome, run.attempt.process, run.attempt.launch):
        path.write_bytes(b"\x00\xff{ not json")
        assert not run.state().state.is_live


def test_a_thousand_ended_runs_are_read_quickly(lab):
    run = lab.shell("true")
    run.until_state(RunState.SUCCEEDED)
    started = time.process_time()
    for _ in range(1000):
        read_state(run.folder)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", "memory ran out, as the log says"),
        ("exit code 1", "exit code 1; memory ran out, as the log says"),
    ],
)
def test_a_reason_does_not_begin_with_what_joins_its_parts(reason: str, expected: str) -> None:
    evidence = ProcessFacts(
        outcome=Outcome(kind=OutcomeKind.EXITED, reason=reason, exit_code=1),
        ending=LogEnding("line", "CUDA out of memory", out_of_memory=True),
    )
    assert decide(evidence) == (RunState.OUT_OF_MEMORY, expected)
