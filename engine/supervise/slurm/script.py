"""The command line of sbatch and the script of the job."""

import shlex
import sys
from collections.abc import Sequence

from engine.contracts.process import Grace
from engine.contracts.run_folder import AttemptFolder
from engine.contracts.slurm import SlurmOptions
from engine.runner.children import MARK
from engine.supervise.commands import RUNNER, engine_environment

OUTPUT = "slurm.log"
SCRIPT = "slurm.sh"
_WARN_FROM_SECONDS = 600
"""Slurm may send the warning up to a minute early: a shorter job would get it while it has hardly begun."""
_SPARE_SECONDS = 30
_MINUTE = 60


def sbatch_argv(
    attempt: AttemptFolder, options: SlurmOptions, *, name: str, after: Sequence[str] = (), grace: Grace | None = None
) -> list[str]:
    """The command line that submits an attempt.

    Args:
        name: of the job.
        after: ids of the jobs that must succeed first.
        grace: what a stop takes, so that the end of the time limit is told early enough.
    """
    argv = [
        "sbatch",
        "--parsable",
        f"--job-name={name}",
        f"--output={_literally(str(attempt.path / OUTPUT))}",
        "--open-mode=append",  # a job that is put back must not overwrite what it said
        f"--chdir={attempt.path}",
        "--requeue",
        "--nodes=1",
        "--ntasks=1",
    ]
    if after:
        # Without the second one, a job whose parent has failed would stay in Slurm's queue for ever.
        argv += [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"]
    argv += _resources(options)
    limit = seconds_of(options.time)
    if limit is not None and limit >= _WARN_FROM_SECONDS:
        grace = grace or Grace()
        # To the runner alone, which then stops the stage as it stops any: a training gets to save.
        argv.append(f"--signal=B:USR2@{round(grace.sigint + grace.sigterm + _SPARE_SECONDS)}")
    return [*argv, *options.extra, str(attempt.path / SCRIPT)]


def script_text(attempt: AttemptFolder) -> str:
    """The job: our runner, which exits as the run does. Put back by Slurm, it runs the next attempt instead."""
    python = shlex.quote(sys.executable)
    ours = engine_environment({})
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in ours.items())
    folder = shlex.quote(str(attempt.path))
    return f"""#!/bin/sh
attempt={folder}
if [ "${{SLURM_RESTART_COUNT:-0}}" -gt 0 ]; then
    attempt=$(env {variables} {python} -P -m app.services.restarted {folder}) || exit 1
fi
export {MARK}="$attempt"
exec {python} -I -S {shlex.quote(str(RUNNER))} --verdict "$attempt"
"""


def seconds_of(limit: str | None) -> int | None:
    """A time limit as sbatch takes it, in seconds; None where there is none."""
    if limit is None or not limit[0].isdigit():
        return None
    days, dash, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = (*parts, 0, 0)[:3]
        return ((int(days) * 24 + hours) * _MINUTE + minutes) * _MINUTE + seconds
    if len(parts) == 3:
        return (parts[0] * _MINUTE + parts[1]) * _MINUTE + parts[2]
    return parts[0] * _MINUTE + (parts[1] if len(parts) == 2 else 0)


def _resources(options: SlurmOptions) -> list[str]:
    flags = {
        "partition": options.partition,
        "time": options.time,
        "gpus": options.gpus,
        "cpus-per-task": options.cpus,
        "mem": options.mem,
        "account": options.account,
    }
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def _literally(path: str) -> str:
    """sbatch replaces %j and the like in the names of files."""
    return path.replace("%", "%%")
