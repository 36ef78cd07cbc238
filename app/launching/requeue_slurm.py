"""Program, called with the attempt's folder by a job that Slurm has requeued: creates the run's next attempt.

Prints the folder of the attempt for the job's runner. A training resumes from its last checkpoint.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from app.launching.next_command import next_command
from engine.contracts.attempt_records import ProcessRecord, SlurmRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.contracts.spec import RunSpec
from engine.files.json_records import write_json
from engine.supervise.launch.launch import write_attempt
from engine.supervise.slurm.jobs import workspace_of


def next_attempt(first: AttemptFolder) -> AttemptFolder:
    """Return the attempt that a requeued job has to run.

    Args:
        first: the attempt that the job was submitted for; later attempts come from earlier requeues.

    Raises:
        YoloqatError: the run has been stopped or resumed by a user, or the attempt cannot be written.
    """
    folder = RunFolder(first.path.parents[1])
    last = folder.attempts()[-1]
    job, submitted = SlurmRecord.read(last.slurm), SlurmRecord.read(first.slurm)
    if submitted is not None and (job is None or job.job_id != submitted.job_id):
        raise YoloqatError("the run has already been resumed", where=str(last.path))
    if last.stop_request.exists():
        raise YoloqatError("the run has been stopped", where=str(last.path))
    process = ProcessRecord.read(last.process)
    if not last.outcome.exists() and (process is None or process.stage is None):
        return last  # it had not begun
    spec = RunSpec.read(folder.spec)
    argv = _next_argv(folder, spec)
    _conclude(last, process)
    attempt = write_attempt(workspace_of(first), spec, attempt=last.number + 1, argv=argv)
    if job is not None:
        record = job.model_copy(update={"restarts": job.restarts + 1})
        write_json(str(attempt.slurm), record.model_dump(mode="json"))
    return attempt


def _next_argv(folder: RunFolder, spec: RunSpec) -> list[str] | None:
    """Return the command line; None for that of the first attempt, as Slurm restarts a requeued job, too."""
    try:
        return next_command(folder, spec)[0]
    except YoloqatError as error:
        print(f"yoloqat: {error.what}; restarting from the beginning", file=sys.stderr)
        return None


def _conclude(attempt: AttemptFolder, process: ProcessRecord | None) -> None:
    """Write the outcome of an attempt whose runner was killed before it could write one."""
    if attempt.outcome.exists():
        return
    outcome = Outcome(
        kind=OutcomeKind.LOST,
        started_at=process.started_at if process else None,
        ended_at=datetime.now(UTC),
        reason="Slurm put the job back into the queue",
    )
    write_json(str(attempt.outcome), outcome.model_dump(mode="json"))


def main(argv: list[str]) -> int:
    """Return the exit code: 1, with the reason on stderr, when there is nothing to run."""
    try:
        print(next_attempt(AttemptFolder(Path(argv[0]))).path)
    except (YoloqatError, OSError) as error:
        print(f"yoloqat: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
