"""Giving an attempt to Slurm."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome
from engine.contracts.process import LaunchRecord, SlurmRecord
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.contracts.slurm import SlurmOptions
from engine.runner.children import MARK
from engine.runner.records import write_json
from engine.supervise.slurm.client import SUBMIT_SECONDS, NoAnswer, call, message
from engine.supervise.slurm.jobs import forget_answers
from engine.supervise.slurm.script import SCRIPT, sbatch_argv, script_text

_JOB = re.compile(r"(\d+)(?:;(\S+))?")


def submit(attempt: AttemptFolder, options: SlurmOptions) -> SlurmRecord:
    """Submit an attempt that has its `launch.json`, behind the jobs of the runs that it waits for.

    Raises:
        YoloqatError: Slurm does not take it, and says why; or it does not answer, or the workspace cannot be written.
    """
    launch = LaunchRecord.read(attempt.launch)
    if launch is None:
        raise YoloqatError("the attempt has no launch.json", where=str(attempt.path))
    after = _jobs_of([Path(parent.path) for parent in launch.wait_for])
    argv = sbatch_argv(attempt, options, name=launch.name or launch.run_id, after=after, grace=launch.grace)
    try:
        (attempt.path / SCRIPT).write_text(script_text(attempt), encoding="utf-8")
        reply = call(argv, seconds=SUBMIT_SECONDS, environment=_environment())
    except NoAnswer as error:
        raise YoloqatError(
            f"Slurm cannot be asked to run it: {error}",
            where=launch.name,
            hint="`sinfo` shows whether the controller answers, `squeue --me` whether it has taken the job after all.",
        ) from error
    except OSError as error:
        raise YoloqatError(f"cannot write the run: {error.strerror or error}", where=str(attempt.path)) from error
    lines = reply.output.strip().splitlines()
    match = _JOB.fullmatch(lines[-1]) if reply.code == 0 and lines else None
    if match is None:
        raise YoloqatError(
            f"Slurm does not take it: {message(reply, 'sbatch')}",
            where=launch.name,
            hint="Correct `slurm` in the pipeline or --slurm. `sinfo` and `sacctmgr show assoc` show what there is.",
        )
    record = SlurmRecord(job_id=match[1], cluster=match[2] or "", submitted_at=datetime.now(UTC), argv=argv)
    try:
        write_json(str(attempt.slurm), record.model_dump(mode="json"))
    except OSError as error:
        call(["scancel", match[1]])
        raise YoloqatError(f"cannot write the run: {error.strerror or error}", where=str(attempt.slurm)) from error
    forget_answers(attempt)
    return record


def _jobs_of(parents: Sequence[Path]) -> list[str]:
    """The jobs of those runs that have not succeeded yet. Slurm soon forgets the others, and they need no waiting for.

    A parent on this machine has no job: the runner waits for it, in the job.
    """
    jobs = []
    for path in parents:
        attempts = RunFolder(path).attempts()
        if not attempts:
            continue
        record, outcome = SlurmRecord.read(attempts[-1].slurm), Outcome.read(attempts[-1].outcome)
        if record is not None and (outcome is None or outcome.exit_code != 0):
            jobs.append(record.job_id)
    return jobs


def _environment() -> dict[str, str]:
    """sbatch hands its environment to the job. A launch from inside of a run must not look like a part of that run."""
    return {name: value for name, value in os.environ.items() if name != MARK}
