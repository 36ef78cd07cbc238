"""An attempt that is a job: still to come, at work, or over."""

import contextlib
from dataclasses import dataclass

from engine.contracts.attempt_records import LaunchRecord, ProcessRecord, QueueRecord, SlurmEnd, SlurmRecord
from engine.contracts.outcome import Outcome
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.runner.processes.identity import ALIVE, Identity, presence
from engine.runner.waiting import dependencies
from engine.supervise.launch.start_records import is_own_process
from engine.supervise.slurm.jobs import Job, JobSighting, query_job
from engine.supervise.slurm.state_text import (
    AT_WORK,
    ENDED,
    ENDING,
    HELD_BY_USER,
    NEVER,
    where_it_runs,
    why_it_ended,
    why_it_waits,
)
from engine.supervise.slurm.verdict import amended, conclude, is_in_doubt, remember_end

JOB_HAS_GONE = "its Slurm job has gone"


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of the job of an attempt."""

    outcome: Outcome | None = None
    """How it ended; None while it lives."""
    waiting: str = ""
    """Why it waits, in words; empty once it is at work."""
    where: str = ""
    """The job and its node, with what Slurm says of it beyond that."""
    put_back: bool = False
    """It lives again: what its folder says is of the time before."""


def observe(folder: RunFolder, attempt: AttemptFolder, record: SlurmRecord) -> Observed:
    """Observe a job: by its outcome if that is beyond doubt, else by Slurm. Without an answer, nothing changes."""
    outcome = Outcome.read(attempt.outcome)
    if outcome is not None and not is_in_doubt(attempt, outcome):
        return Observed(outcome)
    end = SlurmEnd.read(attempt.slurm_end)
    if outcome is not None and end is not None:
        return Observed(amended(folder, outcome, record, end))
    sighting = query_job(attempt, record, since=outcome.ended_at.timestamp() if outcome and outcome.ended_at else 0.0)
    if outcome is None:
        outcome = Outcome.read(attempt.outcome)  # it may have ended just now
        if outcome is not None and not is_in_doubt(attempt, outcome):
            return Observed(outcome)
    if outcome is not None and (sighting.job is None or sighting.error):
        return Observed(outcome)
    if sighting.job is None or not _is_over(sighting.job):
        if end is not None and not sighting.error:  # a node had failed, and Slurm has put the job back
            with contextlib.suppress(OSError):
                attempt.slurm_end.unlink()
        return _living(attempt, record, sighting, put_back=outcome is not None)
    end = remember_end(attempt, sighting.job)
    if outcome is not None:
        return Observed(amended(folder, outcome, record, end))
    if living_stage(attempt) is not None:
        return Observed(where=f"{JOB_HAS_GONE} ({why_it_ended(end.state, end.limit)}, job {record.job_id})")
    outcome = conclude(folder, attempt, record, end)
    if outcome is None:
        return Observed(where=f"{why_it_ended(end.state, end.limit)}; the last word of its runner is awaited")
    return Observed(outcome)


def living_stage(attempt: AttemptFolder) -> Identity | None:
    """Return the stage of a job that lives on this machine without its runner; None also where it cannot be seen.

    A job that Slurm ends may leave it: it has a session of its own, and not every cluster ends jobs by their cgroups.
    """
    process = ProcessRecord.read(attempt.process)
    if process is None or process.stage is None or presence(Identity(**process.runner.model_dump())) == ALIVE:
        return None
    stage = Identity(**process.stage.model_dump())
    return stage if presence(stage) == ALIVE and is_own_process(attempt, stage) else None


def _is_over(job: Job) -> bool:
    return job.state in ENDED or job.reason == NEVER


def _living(attempt: AttemptFolder, record: SlurmRecord, seen: JobSighting, *, put_back: bool) -> Observed:
    silent = f"; Slurm does not answer: {seen.error}" if seen.error else ""
    job = seen.job
    put_back = put_back and (job is None or job.state != ENDING)  # whether it is put back is still to come
    if job is None:
        # Submitted, and nothing heard since. What its runner has written, it has written on a node.
        if attempt.process.exists():
            return Observed(where=where_it_runs(record.job_id, "", "") + silent)
        return Observed(waiting=f"Slurm job {record.job_id}" + silent)
    if job.state in AT_WORK:
        return Observed(where=where_it_runs(record.job_id, job.state, job.nodes) + silent, put_back=put_back)
    reason_text = why_it_waits(job.state, job.reason)
    if job.reason == "Dependency":
        reason_text = _parents(attempt) or reason_text
    if job.reason == HELD_BY_USER:
        place = QueueRecord.read(attempt.queue)
        reason_text = (place.why if place is not None and place.held else "") or reason_text
    return Observed(waiting=reason_text + silent, put_back=put_back)


def _parents(attempt: AttemptFolder) -> str:
    """Return the unfinished runs that a job waits for, as a runner words it: `waits for relu-retrain`; else empty."""
    launch = LaunchRecord.read(attempt.launch)
    fate, words = (
        dependencies.check_dependencies([parent.model_dump() for parent in launch.wait_for]) if launch else ("", "")
    )
    return words if fate == dependencies.PENDING else ""
