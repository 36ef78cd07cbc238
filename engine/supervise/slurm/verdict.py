"""How a job ended whose runner left no outcome, or one that does not say who ended it."""

import contextlib
import os
import re
import signal
from datetime import UTC, datetime

from engine.contracts.attempt_records import LaunchRecord, ProcessRecord, SlurmEnd, SlurmRecord
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.files.atomic import write_if_absent
from engine.files.json_records import write_json
from engine.files.safe_open import open_regular
from engine.runner.waiting import dependencies
from engine.supervise.slurm.jobs import TAKEN_OUT, Job
from engine.supervise.slurm.state_text import NEVER, why_it_ended

LAG_SECONDS = 20.0
"""A network file system may show a node's last file that much later than Slurm tells the end of the job."""
TIMED_OUT = frozenset({"TIMEOUT", "DEADLINE"})
_TAKEN = frozenset({"NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "REVOKED"})
_NEVER_BEGAN = frozenset({"BOOT_FAIL", "LAUNCH_FAILED"})
_SIGNALLED = "the runner got "
_OURS = "yoloqat: "
"""What `app.launching.requeue_slurm` says when there is nothing to run begins with it."""
_TAIL_BYTES = 4096
_MEMORY = re.compile(r"slurmstepd.*(exceeded .*memory limit|oom[-_ ]kill)", re.IGNORECASE)


def is_in_doubt(attempt: AttemptFolder, outcome: Outcome) -> bool:
    """Return whether an outcome says that the runner was signalled, and nobody here asked for it.

    Slurm does so when it cancels, at the time limit, and before it puts the job back into the queue.
    """
    return outcome.stop_requested and outcome.reason.startswith(_SIGNALLED) and not attempt.stop_request.exists()


def remember_end(attempt: AttemptFolder, job: Job) -> SlurmEnd:
    """Keep what Slurm said, the first time that it is seen."""
    stored_end = SlurmEnd.read(attempt.slurm_end)
    if stored_end is not None:
        return stored_end
    is_cancelled_in_queue = job.reason == TAKEN_OUT and not attempt.process.exists()
    state = "CANCELLED" if is_cancelled_in_queue else job.state
    end = SlurmEnd(state=state, reason=job.reason, limit=job.limit, seen_at=datetime.now(UTC))
    with contextlib.suppress(OSError):
        write_json(str(attempt.slurm_end), end.model_dump(mode="json"), durable=False)
    return end


def amended(folder: RunFolder, outcome: Outcome, record: SlurmRecord, end: SlurmEnd) -> Outcome:
    """Return an outcome in doubt, with what Slurm did in the place of `the runner got SIGTERM`."""
    if outcome.exit_code == 0 and not outcome.missing_artifacts and folder.result.exists():
        return outcome  # a stage of ours that had finished before
    reason_text = f"{why_it_ended(end.state, end.limit)} (job {record.job_id})"
    if end.state in TIMED_OUT:
        return outcome.model_copy(update={"stop_requested": False, "time_limit": True, "reason": reason_text})
    if end.state == "CANCELLED":
        return outcome.model_copy(update={"reason": reason_text})
    if end.state in _TAKEN:
        return outcome.model_copy(update={"kind": OutcomeKind.LOST, "stop_requested": False, "reason": reason_text})
    last_lines = _last_lines(record)[-1:]
    if end.state == "FAILED" and last_lines and last_lines[0].startswith(_OURS):
        job_text = last_lines[0].removeprefix(_OURS)
        return outcome.model_copy(update={"reason": f"put back into Slurm's queue, and not started again: {job_text}"})
    return outcome


def conclude(folder: RunFolder, attempt: AttemptFolder, record: SlurmRecord, end: SlurmEnd) -> Outcome | None:
    """Write the outcome in the place of a runner that cannot any more. One that is there already stays.

    Returns:
        The outcome; None as long as the runner's own may still appear.
    """
    process = ProcessRecord.read(attempt.process)
    age = (datetime.now(UTC) - end.seen_at).total_seconds()
    has_record = attempt.slurm_end.exists()
    never_began = process is None and end.state in ("CANCELLED", *_NEVER_BEGAN)
    if has_record and not never_began and 0 <= age < LAG_SECONDS:
        return None
    outcome = _outcome(folder, attempt, record, end, process)
    try:
        write_if_absent(attempt.outcome, outcome.model_dump_json(indent=1) + "\n")
    except OSError:  # the runner's own has appeared, or the disk is full
        return Outcome.read(attempt.outcome) or outcome
    return outcome


def _outcome(
    folder: RunFolder, attempt: AttemptFolder, record: SlurmRecord, end: SlurmEnd, process: ProcessRecord | None
) -> Outcome:
    launch = LaunchRecord.read(attempt.launch)
    promised = launch.artifacts.values() if launch else ()
    reason = f"{why_it_ended(end.state, end.limit)} (job {record.job_id})"
    started = process is not None and process.stage is not None
    stop_requested = attempt.stop_request.exists()
    common = {"started_at": process.started_at if process else None, "ended_at": end.seen_at}
    last_log_lines = _last_lines(record)
    if folder.result.exists() and all((folder.path / path).is_file() for path in promised):
        # A stage of ours writes it last: it settles the end.
        kind, extra = OutcomeKind.EXITED, {"exit_code": 0, "reason": f"it finished; {reason}"}
    elif end.reason == NEVER:
        kind, extra = OutcomeKind.DEPENDENCY_FAILED, {"reason": _failed_parents(launch) or "a job that it needs failed"}
    elif stop_requested or end.state == "CANCELLED":
        words = ("stopped" if stop_requested else reason) + (
            "" if started else " before it started" if stop_requested else ""
        )
        kind = OutcomeKind.ENDED if started else OutcomeKind.CANCELLED
        extra = {"stop_requested": True, "reason": words}
    elif end.state in TIMED_OUT:
        kind, extra = OutcomeKind.SIGNALED, {"signal": int(signal.SIGKILL), "reason": reason, "time_limit": True}
    elif end.state == "OUT_OF_MEMORY" or any(_MEMORY.search(line) for line in last_log_lines):
        # Where no cgroups are, Slurm counts a job that it has killed for its memory as failed.
        reason = f"{why_it_ended('OUT_OF_MEMORY')} (job {record.job_id})"
        kind, extra = OutcomeKind.SIGNALED, {"signal": int(signal.SIGKILL), "reason": reason, "oom_kill": True}
    elif process is None and end.state in ("FAILED", "COMPLETED", *_NEVER_BEGAN):
        kind, extra = OutcomeKind.COULD_NOT_START, {"reason": ": ".join([reason, *last_log_lines[-1:]])}
    else:
        job_text = f"; its job says: {last_log_lines[-1]}" if last_log_lines else ""
        kind, extra = OutcomeKind.LOST, {"reason": f"{reason}; its runner left no outcome{job_text}"}
    return Outcome.model_validate({"kind": kind, **common, **extra})


def _failed_parents(launch: LaunchRecord | None) -> str:
    """Return `relu-retrain failed: exit code 3`, as the runner would have said it."""
    parents = [parent.model_dump() for parent in launch.wait_for] if launch else []
    fate, words = dependencies.check_dependencies(parents)
    return words if fate == dependencies.FAILED else ""


def _last_lines(record: SlurmRecord) -> list[str]:
    """Return what the job and Slurm itself said last, outside of the run's console."""
    try:
        with open_regular(record.output, follow=True) as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL_BYTES, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if line.strip()]
