"""Holding and releasing jobs that wait."""

from engine.contracts.attempt_records import SlurmRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder
from engine.supervise.slurm.client import NoAnswer, call, message, on_cluster
from engine.supervise.slurm.jobs import forget_answers


def hold_job(attempt: AttemptFolder, record: SlurmRecord) -> None:
    """Keep a job that waits from starting.

    Raises:
        YoloqatError: Slurm does not answer, or refuses.
    """
    _control(attempt, record, "uhold")  # as root, `hold` would be an administrator's


def release_job(attempt: AttemptFolder, record: SlurmRecord) -> None:
    """Let a held job wait for its turn.

    Raises:
        YoloqatError: Slurm does not answer, or refuses.
    """
    _control(attempt, record, "release")


def _control(attempt: AttemptFolder, record: SlurmRecord, verb: str) -> None:
    where = f"Slurm job {record.job_id}"
    try:
        reply = call(["scontrol", *on_cluster(record.cluster), verb, record.job_id])
    except NoAnswer as error:
        raise YoloqatError(f"Slurm cannot be asked: {error}", where=where) from error
    if reply.code != 0:
        raise YoloqatError(f"Slurm refuses: {message(reply, 'scontrol')}", where=where)
    forget_answers(attempt)
