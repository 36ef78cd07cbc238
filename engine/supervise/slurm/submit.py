"""Giving attempts to Slurm: each as a job of its own, or all of a grid's step as one array."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.contracts.attempt_records import LaunchRecord, SlurmRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.contracts.slurm import SlurmOptions
from engine.files.json_records import write_json
from engine.runner.processes.children import MARK
from engine.supervise.slurm.client import SUBMIT_SECONDS, NoAnswer, call, message
from engine.supervise.slurm.jobs import forget_answers, workspace_of
from engine.supervise.slurm.script import OUTPUT, SCRIPT, sbatch_argv, script_text

_JOB = re.compile(r"(\d+)(?:;(\S+))?")
_ARRAYS = "slurm"
"""Folder of the workspace with the scripts of arrays, which belong to no run alone."""


def submit(attempt: AttemptFolder, options: SlurmOptions, *, held: bool = False) -> None:
    """Submit an attempt that has its `launch.json`, behind the jobs of the runs that it waits for.

    Args:
        held: it does not start before it is released.

    Raises:
        YoloqatError: Slurm rejected it, and says why; or it does not answer, or the workspace cannot be written.
    """
    launch = _launch_of(attempt)
    dependency = _one_behind(_jobs_of(launch))
    script = attempt.path / SCRIPT
    name = launch.name or launch.run_id
    argv = sbatch_argv(script, options, name=name, dependency=dependency, grace=launch.grace, held=held)
    job_id, cluster = _sbatch(argv, script, script_text([attempt]), launch.name)
    _remember([attempt], [job_id], cluster, argv, [str(attempt.path / OUTPUT)])


def submit_array(attempts: Sequence[AttemptFolder], options: SlurmOptions, *, name: str) -> None:
    """Submit attempts that differ in their options alone, as one array where their dependencies allow it.

    Tasks of an array can wait for the same jobs, and each for the task of the same number of another array. Where that
    does not cover it, those that wait for the same jobs become an array of their own.

    Args:
        name: of the array.

    Raises:
        YoloqatError: as `submit`; what has its `slurm.json` by then was submitted.
    """
    jobs = [_jobs_of(_launch_of(attempt)) for attempt in attempts]
    dependency = _all_behind(jobs)
    if dependency is not None and len(attempts) > 1:
        _submit_tasks(attempts, options, name, dependency)
        return
    alike: dict[tuple[str, ...], list[AttemptFolder]] = {}
    for attempt, after in zip(attempts, jobs, strict=True):
        alike.setdefault(tuple(after), []).append(attempt)
    for common, members in alike.items():
        if len(members) > 1:
            _submit_tasks(members, options, name, _one_behind(common))
        else:
            submit(members[0], options)


def _submit_tasks(attempts: Sequence[AttemptFolder], options: SlurmOptions, name: str, dependency: str) -> None:
    launch = _launch_of(attempts[0])
    folder = workspace_of(attempts[0]).path / _ARRAYS / launch.run_id
    script = folder / SCRIPT
    argv = sbatch_argv(script, options, name=name, dependency=dependency, grace=launch.grace, tasks=len(attempts))
    job_id, cluster = _sbatch(argv, script, script_text(attempts, is_array=True), name)
    tasks = range(len(attempts))
    outputs = [str(folder / f"{task}.log") for task in tasks]
    _remember(attempts, [f"{job_id}_{task}" for task in tasks], cluster, argv, outputs)


def _one_behind(jobs: Sequence[str]) -> str:
    return f"afterok:{':'.join(jobs)}" if jobs else ""


def _all_behind(jobs: Sequence[Sequence[str]]) -> str | None:
    """Return the dependency that holds for all tasks of an array, given the jobs of each; None where there is no
    such one.
    """
    if len({len(after) for after in jobs}) != 1:
        return None
    parts = []
    for column in zip(*jobs, strict=True):
        array, task, _ = column[0].partition("_")
        if len(set(column)) == 1:
            parts.append(f"afterok:{column[0]}")
        elif task and list(column) == [f"{array}_{number}" for number in range(len(jobs))]:
            parts.append(f"aftercorr:{array}")
        else:
            return None
    return ",".join(parts)


def _launch_of(attempt: AttemptFolder) -> LaunchRecord:
    launch = LaunchRecord.read(attempt.launch)
    if launch is None:
        raise YoloqatError("the attempt has no launch.json", where=str(attempt.path))
    return launch


def _sbatch(argv: Sequence[str], script: Path, text: str, name: str) -> tuple[str, str]:
    """Run sbatch; return the job's id and, in a federation, its cluster."""
    if "\\" in str(script):
        raise YoloqatError(
            "Slurm cannot write below a folder that has a backslash in its name",
            where=str(script.parent),
            hint="Choose another workspace with --workspace.",
        )
    try:
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(text, encoding="utf-8")
        reply = call(argv, seconds=SUBMIT_SECONDS, environment=_environment())
    except NoAnswer as error:
        raise YoloqatError(
            f"Slurm cannot be asked to run it: {error}",
            where=name,
            hint="`sinfo` shows whether the controller answers, `squeue --me` whether it has taken the job after all.",
        ) from error
    except OSError as error:
        raise YoloqatError(f"cannot write the run: {error.strerror or error}", where=str(script)) from error
    lines = reply.output.strip().splitlines()
    match = _JOB.fullmatch(lines[-1]) if reply.code == 0 and lines else None
    if match is None:
        raise YoloqatError(
            f"Slurm rejected it: {message(reply, 'sbatch')}",
            where=name,
            hint="Correct `slurm` in the pipeline or --slurm. `sinfo` and `sacctmgr show assoc` show what there is.",
        )
    return match[1], match[2] or ""


def _remember(
    attempts: Sequence[AttemptFolder], job_ids: Sequence[str], cluster: str, argv: list[str], outputs: Sequence[str]
) -> None:
    """Write each attempt's `slurm.json`. What cannot be found again is cancelled."""
    now = datetime.now(UTC)
    for attempt, job_id, output in zip(attempts, job_ids, outputs, strict=True):
        record = SlurmRecord(job_id=job_id, cluster=cluster, submitted_at=now, argv=argv, output=output)
        try:
            write_json(str(attempt.slurm), record.model_dump(mode="json"))
        except OSError as error:
            call(["scancel", job_id.partition("_")[0]])
            raise YoloqatError(f"cannot write the run: {error.strerror or error}", where=str(attempt.slurm)) from error
    forget_answers(attempts[0])


def _jobs_of(launch: LaunchRecord) -> list[str]:
    """Return the jobs of those parents that have not succeeded yet. Slurm soon forgets the others; they need no waiting
    for.

    A parent on this machine has no job: the runner waits for it, in the job.
    """
    jobs = []
    for parent in launch.wait_for:
        attempts = RunFolder(Path(parent.path)).attempts()
        if not attempts:
            continue
        record, outcome = SlurmRecord.read(attempts[-1].slurm), Outcome.read(attempts[-1].outcome)
        if record is not None and (outcome is None or outcome.exit_code != 0):
            jobs.append(record.job_id)
    return jobs


def _environment() -> dict[str, str]:
    """Return the environment for sbatch, which hands it to the job: without the marks of a run that launches another.

    Nor from inside of a job: what Slurm has told that one of itself would hold for this one, too.
    """
    left_out = {MARK, "SBATCH_ARRAY_INX", "SBATCH_WAIT"}
    if "SLURM_JOB_ID" in os.environ:
        left_out |= {name for name in os.environ if name.startswith("SLURM_") and name != "SLURM_CONF"}
    return {name: value for name, value in os.environ.items() if name not in left_out}
