"""Asking for the end of a run. The runner does the stopping; where it is dead, a detached stopper does."""

import os
import signal
from datetime import UTC, datetime

from engine.contracts.attempt_records import ProcessRecord, SlurmRecord, StoppingRecord, StopRequest
from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.files.json_records import write_json
from engine.runner import lock
from engine.runner.processes.children import marked
from engine.runner.processes.identity import ALIVE, ELSEWHERE, Identity, presence
from engine.supervise.launch.launch import start_stopper
from engine.supervise.launch.start_records import is_own_process, signal_own_process
from engine.supervise.slurm.cancel import cancel
from engine.supervise.slurm.observe import living_stage
from engine.supervise.slurm.verdict import is_in_doubt
from engine.supervise.state.process_facts import identity_of
from engine.supervise.state.watched import current_writers
from engine.supervise.state.watched import observe as observe_watched


def request_stop(attempt: AttemptFolder, *, now: bool = False) -> bool:
    """Ask for the end of an attempt: SIGINT, 20 s, SIGTERM, 10 s, SIGKILL, to every process of it. Returns at once.

    Args:
        now: skip to the next of these signals; without a stop in progress, begin with SIGTERM.

    Returns:
        False when there is nothing left to stop.

    Raises:
        YoloqatError: it runs on another machine, or the request cannot be written.
    """
    if attempt.watch.exists():
        return _refuse(attempt)
    job = SlurmRecord.read(attempt.slurm)
    if job is not None:
        return _stop_job(attempt, job, now)
    if attempt.outcome.exists():
        return _withdraw_retry(attempt)
    # First the request, then the look at who is there: a runner that starts meanwhile does it the other way round, so
    # one of the two sees the other.
    unwritten = _write_request(attempt, now)
    process = ProcessRecord.read(attempt.process)
    if process is None:
        if unwritten:
            raise unwritten
        return attempt.launch.exists()
    runner = identity_of(process.runner)
    stage = identity_of(process.stage) if process.stage else None
    if signal_own_process(attempt, runner, signal.SIGUSR1):
        return True
    outcome = Outcome.read(attempt.outcome)
    if outcome is not None:  # it ended meanwhile, perhaps because it saw the request
        return outcome.stop_requested
    if presence(runner) == ELSEWHERE:
        attempt.stop_request.unlink(missing_ok=True)
        raise YoloqatError(
            f"this run is on {runner.host} and cannot be signalled from here",
            where=str(attempt.path),
            hint=f"Stop it on {runner.host}, in the container it was started in if there is one.",
        )
    _refuse_others(attempt, runner, stage)
    if stage is None:
        return _cancel(attempt)
    if not (presence(stage) == ALIVE or marked(str(attempt.path))):
        attempt.stop_request.unlink(missing_ok=True)
        return False
    if not _signal_stopper(attempt):
        start_stopper(attempt)
    return True


def _withdraw_retry(attempt: AttemptFolder) -> bool:
    """Keep an attempt that has ended from being followed by another one, which may have been created just now."""
    try:
        attempt.retry.unlink()
    except OSError:
        return False
    newest = RunFolder(attempt.path.parents[1]).attempts()[-1]
    return newest.number == attempt.number or request_stop(newest)


def _refuse_others(attempt: AttemptFolder, *recorded: Identity | None) -> None:
    """Refuse to signal processes that the records name and that were not started for this attempt.

    Raises:
        YoloqatError: there is such a process.
    """
    living = [identity for identity in recorded if identity is not None and presence(identity) == ALIVE]
    if any(not is_own_process(attempt, identity) for identity in living):
        attempt.stop_request.unlink(missing_ok=True)
        raise YoloqatError(
            "its records name a process that was not started for it, which is not signalled",
            where=str(attempt.process),
            hint="The workspace was copied, restored, or changed by hand.",
        )


def _cancel(attempt: AttemptFolder) -> bool:
    """End an attempt that waits without a runner.

    One that is started at this moment finds the request.
    """
    try:
        held = lock.acquire(str(attempt.path))
    except lock.AlreadyStarted:
        return True
    except OSError:
        attempt.stop_request.unlink(missing_ok=True)
        return False
    try:
        outcome = Outcome(kind=OutcomeKind.CANCELLED, stop_requested=True, reason="stopped before it started")
        write_json(str(attempt.outcome), outcome.model_dump(mode="json"))
    except OSError as error:
        raise YoloqatError(
            f"it cannot be cancelled: {error.strerror or error}",
            where=str(attempt.outcome),
            hint="Free some disk space.",
        ) from error
    finally:
        os.close(held)
    return True


def _refuse(attempt: AttemptFolder) -> bool:
    """Refuse to stop a process that was not started here."""
    observed = observe_watched(attempt)
    if observed is None or not observed.is_alive:
        return False
    processes = [observed.record.process] if observed.record.process else current_writers(observed.record)
    raise YoloqatError(
        "its process was not started by yoloqat, which does not stop it",
        where=observed.record.path,
        hint=f"`kill -INT {processes[0].pid}` interrupts it." if processes else "Stop it where it was started.",
    )


def _stop_job(attempt: AttemptFolder, job: SlurmRecord, now: bool) -> bool:
    """Let Slurm pass the request on, because the runner is on a node."""
    outcome = Outcome.read(attempt.outcome)
    if outcome is not None and not is_in_doubt(attempt, outcome):
        return False
    before = StopRequest.read(attempt.stop_request)
    unwritten = _write_request(attempt, now)
    if cancel(attempt, job, before):
        return True
    if living_stage(attempt) is not None:  # its job has gone
        if not _signal_stopper(attempt):
            start_stopper(attempt)
        return True
    if before is None and unwritten is None:
        attempt.stop_request.unlink(missing_ok=True)
    return False


def _signal_stopper(attempt: AttemptFolder) -> bool:
    """Tell a stopper that is already at it. False when there is none."""
    stopping = StoppingRecord.read(attempt.stopping)
    sender = identity_of(stopping.sender) if stopping and stopping.sender else None
    return sender is not None and signal_own_process(attempt, sender, signal.SIGUSR1)


def _write_request(attempt: AttemptFolder, now: bool) -> YoloqatError | None:
    """Write the request; return the error, since on a full disk the signal alone stops the run, too."""
    request = StopRequest(requested_at=datetime.now(UTC), now=now)
    try:
        write_json(str(attempt.stop_request), request.model_dump(mode="json"))
    except OSError as error:
        return YoloqatError(
            f"cannot ask for the stop: {error.strerror or error}",
            where=str(attempt.stop_request),
            hint="Free some disk space.",
        )
    return None
