"""The state of a run: decided by process identity and `outcome.json`, never by silence."""

import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.contracts.attempt_records import OutsideLeaseRecord, StoppingRecord
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.contracts.spec import COMMAND
from engine.contracts.states import AFTER_EPOCH, AT_CHECKPOINT, RunState
from engine.runner.processes.identity import ALIVE, REBOOTED, boot_id
from engine.runner.processes.samples import patience
from engine.supervise.state.console_tail import read_ending
from engine.supervise.state.process_facts import ProcessFacts, Silence, collect_process_facts, measure_silence
from engine.supervise.state.watched import observe

START_SECONDS = 600.0
"""A runner that has not told who it is by then never will."""
_INTERRUPTED = 128 + signal.SIGINT
AFTER_REBOOT = "after reboot"
RUNNER_LOST = "its runner was lost while it waited; `yoloqat queue` starts another"
LAUNCHED_ELSEWHERE = "queued elsewhere; `yoloqat release` starts it"
"""It waits without a runner, and this user did not launch it on this machine in this folder."""
WITHOUT_RUNNER = frozenset({AFTER_REBOOT, RUNNER_LOST})
"""Why a run is queued whose runner has gone before the stage had started: the next command starts another."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The state of a run, with everything that belongs to it."""

    state: RunState
    reason: str
    """The state in words: `exit code 3`, `signal 9 (SIGKILL)`, `waits for relu-retrain`."""
    attempt: int = 1
    exit_code: int | None = None
    signal: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    """Run time so far or in all, by the monotonic clock."""
    stalled: bool = False
    suspended: bool = False
    """A process of it is stopped by a signal or held by a debugger; the reason says which."""
    stopping: str = ""
    """The stop in progress, in words: `SIGINT sent, SIGTERM in 12 s`; empty when none is."""
    runner_alive: bool = False
    stage_alive: bool = False
    peak_rss_bytes: int | None = None
    handed_to: str = ""
    """Servers outside of the run to which its command handed work, `tmux 812`; empty for none."""
    gpus_outside_lease: tuple[str, ...] = ()
    """GPUs outside of its lease on which a process of the run was seen: indices, or UUIDs of MIG instances."""


def read_state(
    folder: RunFolder, attempt: AttemptFolder | None = None, *, rhythm_seconds: float | None = None
) -> RunStatus:
    """Return the state of a run, by its newest attempt or by the one that is given.

    Args:
        rhythm_seconds: how long its console is usually silent, where the caller knows better than the runner (the
            time of an epoch); a longer one counts.
    """
    if attempt is None:
        attempts = folder.attempts()
        if not attempts:
            return RunStatus(RunState.COULD_NOT_START, "it was never launched", attempt=0)
        attempt = attempts[-1]
    if attempt.watch.exists():
        return _of_a_watched(attempt, rhythm_seconds)
    evidence = collect_process_facts(folder, attempt)
    state, reason = decide(evidence)
    outcome, process = evidence.outcome, evidence.process
    running = state is RunState.RUNNING
    suspended = evidence.suspended if state.is_live else ""
    stalled = running and not suspended and is_stalled(evidence.silence, rhythm_seconds)
    return RunStatus(
        state=state,
        reason=_joined(suspended, _with_silence(reason, evidence.silence if stalled else None)),
        attempt=attempt.number,
        exit_code=outcome.exit_code if outcome else None,
        signal=outcome.signal if outcome else None,
        started_at=outcome.started_at if outcome else process.started_at if process else None,
        ended_at=outcome.ended_at if outcome else None,
        seconds=outcome.seconds if outcome else _seconds_so_far(evidence) if running else None,
        stalled=stalled,
        suspended=bool(suspended),
        stopping=_stop_in_progress(evidence) if state.is_live else "",
        runner_alive=evidence.runner == ALIVE,
        stage_alive=evidence.stage == ALIVE,
        peak_rss_bytes=outcome.peak_rss_bytes if outcome else None,
        handed_to=outcome.handed_to if outcome else "",
        gpus_outside_lease=_gpus_outside_lease(attempt),
    )


def _gpus_outside_lease(attempt: AttemptFolder) -> tuple[str, ...]:
    record = OutsideLeaseRecord.read(attempt.outside_lease)
    return tuple(record.gpus) if record else ()


def _of_a_watched(attempt: AttemptFolder, rhythm_seconds: float | None) -> RunStatus:
    """Return the state of a run whose process was not started here: its exit code cannot be known."""
    observed = observe(attempt)
    if observed is None:
        return RunStatus(RunState.ENDED, "its watch.json cannot be read", attempt=attempt.number)
    record = observed.record
    if observed.is_alive:
        silence = measure_silence(attempt)
        stalled = not observed.suspended and is_stalled(silence, rhythm_seconds)
        return RunStatus(
            state=RunState.RUNNING,
            reason=_joined(observed.suspended, _with_silence(observed.reason, silence if stalled else None)),
            attempt=attempt.number,
            started_at=record.started_at,
            seconds=max((datetime.now(UTC) - record.started_at).total_seconds(), 0.0),
            stalled=stalled,
            suspended=bool(observed.suspended),
            stage_alive=True,
        )
    ending = read_ending(attempt.console)
    lost = observed.rebooted and ending.kind not in ("complete", "traceback", "interrupted")
    return RunStatus(
        state=RunState.LOST if lost else RunState.ENDED,
        reason="the machine restarted" if lost else _what_the_log_shows(ProcessFacts(ending=ending)),
        attempt=attempt.number,
        started_at=record.started_at,
        ended_at=record.ended_at,
    )


def decide(evidence: ProcessFacts) -> tuple[RunState, str]:
    """Return state and reason, from the evidence alone."""
    if evidence.outcome is not None:
        state, reason = _decide_by_outcome(evidence.outcome, evidence)
        return (RunState.QUEUED, f"about to be retried after {reason}") if evidence.retry_pending else (state, reason)
    if evidence.runner == ALIVE or evidence.stage == ALIVE:
        return _decide_for_the_living(evidence)
    if evidence.process is None:
        return _decide_without_runner(evidence)
    return _decide_without_outcome(evidence)


def _decide_by_outcome(outcome: Outcome, evidence: ProcessFacts) -> tuple[RunState, str]:
    match outcome.kind:
        case OutcomeKind.COULD_NOT_START:
            return RunState.COULD_NOT_START, outcome.reason
        case OutcomeKind.DEPENDENCY_FAILED:
            return RunState.DEPENDENCY_FAILED, outcome.reason
        case OutcomeKind.CANCELLED:
            return RunState.STOPPED, outcome.reason
        case OutcomeKind.OUTLIVED | OutcomeKind.HANDED_OVER:
            return RunState.ENDED, outcome.reason
        case OutcomeKind.LOST:
            return RunState.LOST, outcome.reason
        case OutcomeKind.ENDED if evidence.finished:
            return RunState.SUCCEEDED, "it finished; its runner was lost before"
        case OutcomeKind.ENDED:
            return RunState.STOPPED, outcome.reason
        case _:
            return _decide_by_exit(outcome, evidence)


def _decide_by_exit(outcome: Outcome, evidence: ProcessFacts) -> tuple[RunState, str]:
    done = outcome.exit_code == 0 and not outcome.missing_artifacts
    if outcome.time_limit:
        return RunState.KILLED, outcome.reason
    # A foreign trainer may well take SIGINT and leave with 0; one of ours that left its result had finished before.
    if outcome.stop_requested and not (done and evidence.finished):
        return RunState.STOPPED, outcome.reason
    if done:
        return RunState.SUCCEEDED, outcome.reason if outcome.handed_to else ""
    if outcome.exit_code == 0:
        return RunState.FAILED, outcome.reason
    if outcome.exit_code == _INTERRUPTED and evidence.asked_after_epoch:
        return RunState.STOPPED, "after an epoch, as asked"
    if outcome.oom_kill:
        return RunState.OUT_OF_MEMORY, f"killed by the kernel: {outcome.reason}"
    if evidence.ending is not None and evidence.ending.out_of_memory:
        parts = (outcome.reason, "memory ran out, as the log says")
        return RunState.OUT_OF_MEMORY, "; ".join(part for part in parts if part)
    if outcome.oom_kills and evidence.ending is not None and evidence.ending.worker_killed:
        return RunState.OUT_OF_MEMORY, outcome.reason  # which says that the kernel killed a process
    if outcome.signal is not None:
        return RunState.KILLED, outcome.reason
    return RunState.FAILED, outcome.reason


def _decide_for_the_living(evidence: ProcessFacts) -> tuple[RunState, str]:
    where = evidence.where or (f"on {evidence.host}" if evidence.host else "")
    if evidence.stage is None:
        if evidence.waiting:
            return RunState.QUEUED, evidence.waiting
        return RunState.STARTING, where
    if evidence.runner != ALIVE:
        return RunState.RUNNING, "its runner was lost; the stage goes on"
    return RunState.RUNNING, where


def _decide_without_runner(evidence: ProcessFacts) -> tuple[RunState, str]:
    """Decide the state of a run whose runner has never recorded itself."""
    if evidence.launch is None:
        return RunState.ENDED, _what_the_log_shows(evidence)
    if evidence.launcher == ALIVE and evidence.age_seconds < START_SECONDS:
        return RunState.STARTING, ""
    return RunState.COULD_NOT_START, "its runner never started"


def _decide_without_outcome(evidence: ProcessFacts) -> tuple[RunState, str]:
    """Decide the state of a run whose runner and stage are gone without an outcome."""
    rebooted = REBOOTED in (evidence.runner, evidence.stage)
    if evidence.finished and not evidence.missing:
        return RunState.SUCCEEDED, "it finished; its runner was lost before"
    if evidence.finished:
        return RunState.FAILED, f"it finished, but {_are_missing(evidence.missing)}"
    if evidence.stage is None:
        return _decide_before_the_stage(evidence, rebooted)
    if rebooted:
        return RunState.LOST, "the machine restarted"
    if evidence.stop_asked:
        return RunState.STOPPED, "stopped; its runner was lost, the exit code is unknown"
    kind = evidence.ending.kind if evidence.ending else "nothing"
    ours = evidence.launch is not None and evidence.launch.stage != COMMAND
    is_log_conclusive = kind in ("traceback", "interrupted") or (kind in ("complete", "line") and not ours)
    reason = f"exit code unknown, its runner was lost; {_what_the_log_shows(evidence)}"
    return (RunState.ENDED if is_log_conclusive else RunState.LOST), reason


def _decide_before_the_stage(evidence: ProcessFacts, rebooted: bool) -> tuple[RunState, str]:
    """Decide the state of a run whose runner has gone before its stage had started: it may still run."""
    if evidence.stop_asked:
        return RunState.STOPPED, "stopped before it started"
    if evidence.launch is None or evidence.host:
        where = f" on {evidence.host}" if evidence.host else ""
        return RunState.LOST, f"its runner was lost{where} before the stage had started"
    if not evidence.may_start:
        return RunState.QUEUED, LAUNCHED_ELSEWHERE
    return RunState.QUEUED, AFTER_REBOOT if rebooted else RUNNER_LOST


def _what_the_log_shows(evidence: ProcessFacts) -> str:
    ending = evidence.ending
    if ending is None or ending.kind == "nothing":
        return "the log is empty"
    text = {
        "complete": "the log is complete",
        "traceback": "the log ends in a traceback",
        "interrupted": "the log ends with an interruption",
        "cut off": "the log stops in the middle",
        "line": "the log ends with",
    }[ending.kind]
    return f"{text}: {ending.text[:200]}"


def _are_missing(paths: tuple[str, ...]) -> str:
    return f"{', '.join(paths)} {'is' if len(paths) == 1 else 'are'} missing"


def _stop_in_progress(evidence: ProcessFacts) -> str:
    text = describe_stop(evidence.stopping, evidence.stop_asked)
    later = AFTER_EPOCH if evidence.asked_after_epoch else AT_CHECKPOINT if evidence.pause_asked else ""
    return text or later


def describe_stop(stopping: StoppingRecord | None, asked: bool) -> str:
    """Return a stop in progress, in words; empty when there is none."""
    if stopping is None:
        return "stop requested" if asked else ""
    if stopping.next_signal is None or stopping.next_at_monotonic is None:
        return f"{stopping.signal} sent"
    left = max(_seconds_left(stopping, stopping.next_at_monotonic), 0)
    return f"{stopping.signal} sent, {stopping.next_signal} in {left:.0f} s"


def _seconds_left(stopping: StoppingRecord, next_at_monotonic: float) -> float:
    """Return the seconds until the next signal; by the wall clock if the sender is another machine."""
    if stopping.next_at is not None and stopping.sender is not None and stopping.sender.boot_id != boot_id():
        return (stopping.next_at - datetime.now(UTC)).total_seconds()
    return next_at_monotonic - time.monotonic()


def is_stalled(silence: Silence | None, rhythm_seconds: float | None = None) -> bool:
    """Return whether a live run has been silent for longer than its own rhythm allows."""
    if silence is None:
        return False
    usual = max(silence.usual or 0.0, rhythm_seconds or 0.0)
    return silence.seconds > patience(usual, silence.longest)


def _with_silence(reason: str, silence: Silence | None) -> str:
    """Return how long a stalled run has been silent, in whole minutes: an index need not be written more often."""
    if silence is None:
        return reason
    usual = f", usually {silence.usual:.0f} s" if silence.usual else ""
    return _joined(reason, f"silent for {silence.seconds // 60:.0f} min{usual}")


def _joined(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def _seconds_so_far(evidence: ProcessFacts) -> float | None:
    process = evidence.process
    if process is None or process.started_monotonic is None:
        return None
    if evidence.where and process.started_at is not None:  # a node's monotonic clock is its own
        return max((datetime.now(UTC) - process.started_at).total_seconds(), 0.0)
    if evidence.host:
        return None
    return max(time.monotonic() - process.started_monotonic, 0.0)
