"""Stopping a job: the runner in it does the stopping; Slurm alone where it waits, or where the runner does not."""

import time

from engine.contracts.attempt_records import LaunchRecord, SlurmRecord, StopRequest
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder
from engine.supervise.slurm.client import NoAnswer, call, message, on_cluster
from engine.supervise.slurm.jobs import forget_answers, query_job
from engine.supervise.slurm.state_text import AT_WORK, WAITING

_SPARE_SECONDS = 15.0


def cancel(attempt: AttemptFolder, record: SlurmRecord, before: StopRequest | None) -> bool:
    """Stop the job of an attempt, whose `stop.json` is written. Returns at once.

    Args:
        before: an earlier request. One that is older than all graces together has not helped: Slurm ends the job then.

    Returns:
        False when it had ended already.

    Raises:
        YoloqatError: Slurm does not answer.
    """
    forget_answers(attempt)
    job_sighting = query_job(attempt, record)
    state = job_sighting.job.state if job_sighting.job else ""
    if state and not job_sighting.error and state not in WAITING | AT_WORK:
        return False
    argv = ["scancel", *on_cluster(record.cluster)]
    if state in AT_WORK and not _is_overdue(attempt, before):
        # To the runner alone: it sends SIGINT, SIGTERM, SIGKILL with its graces, and writes the outcome. Without
        # --batch, Slurm would signal everything else in the job and leave the runner out.
        argv += ["--batch", "--signal=USR1"]
    try:
        reply = call([*argv, record.job_id])
    except NoAnswer as error:
        raise YoloqatError(
            f"Slurm cannot be asked to stop it: {error}",
            where=f"Slurm job {record.job_id}",
            hint="The run ends before it starts, should it be its turn meanwhile. Try again for one that runs.",
        ) from error
    if reply.code != 0 and _has_ended(attempt, record):
        return False  # scancel fails on a job that has ended since
    if reply.code != 0:
        raise YoloqatError(f"Slurm does not stop it: {message(reply, 'scancel')}", where=f"Slurm job {record.job_id}")
    forget_answers(attempt)
    return True


def _has_ended(attempt: AttemptFolder, record: SlurmRecord) -> bool:
    forget_answers(attempt)
    job_sighting = query_job(attempt, record)
    return job_sighting.job is not None and job_sighting.job.state not in WAITING | AT_WORK


def _is_overdue(attempt: AttemptFolder, before: StopRequest | None) -> bool:
    launch = LaunchRecord.read(attempt.launch)
    if before is None or launch is None:
        return False
    patience = launch.grace.sigint + launch.grace.sigterm + _SPARE_SECONDS
    return time.time() - before.requested_at.timestamp() > patience
