"""The command line of sbatch and the script of the job."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from engine.contracts.attempt_records import Grace
from engine.contracts.run_folder import AttemptFolder
from engine.contracts.slurm import SlurmOptions
from engine.files.programs import module_command
from engine.runner.processes.children import MARK
from engine.supervise.launch.commands import runner_command

OUTPUT = "slurm.log"
SCRIPT = "slurm.sh"
_WARN_FROM_SECONDS = 600
"""Slurm may send the warning up to a minute early: a shorter job would get it while it has hardly begun."""
_SPARE_SECONDS = 30
_MINUTE = 60


def sbatch_argv(
    script: Path,
    options: SlurmOptions,
    *,
    name: str,
    dependency: str = "",
    grace: Grace | None = None,
    tasks: int = 0,
    held: bool = False,
) -> list[str]:
    """Return the command line that submits a script, which runs in its folder.

    Args:
        name: of the job.
        dependency: on other jobs, as sbatch takes it; empty for none.
        grace: what a stop takes, so that the end of the time limit is told early enough.
        tasks: of an array; 0 for a job that is none.
        held: it does not start before it is released.
    """
    argv = [
        "sbatch",
        "--parsable",
        f"--job-name={name}",
        f"--output={_literally(script.parent)}/{'%a.log' if tasks else OUTPUT}",
        "--open-mode=append",  # a job that is put back must not overwrite what it said
        f"--chdir={script.parent}",
        "--requeue",
    ]
    if options.nodes is None:
        argv += ["--nodes=1", "--ntasks=1"]
    if tasks:
        argv.append(f"--array=0-{tasks - 1}")
    if held:
        argv.append("--hold")
    if dependency:
        # Without the second one, a job whose parent has failed would stay in Slurm's queue for ever.
        argv += [f"--dependency={dependency}", "--kill-on-invalid-dep=yes"]
    resource_arguments = resource_flags(options)
    limit = seconds_of(options.time)
    if limit is not None and limit >= _WARN_FROM_SECONDS:
        grace = grace or Grace()
        # To the runner alone, which then stops the stage as it stops any: a training gets to save.
        argv.append(f"--signal=B:USR2@{round(grace.sigint + grace.sigterm + _SPARE_SECONDS)}")
    return [*argv, *resource_arguments, str(script)]


def script_text(attempts: Sequence[AttemptFolder], *, is_array: bool = False) -> str:
    """Return the job: our runner, which exits as the run does. Put back by Slurm, it runs the next attempt instead.

    Args:
        attempts: the one that it runs, or those of the tasks of an array.
    """
    requeue = shlex.join(module_command("app.launching.requeue_slurm"))
    runner = shlex.join(runner_command("--verdict"))
    if is_array:
        cases = [f"    {task}) attempt={shlex.quote(str(each.path))} ;;" for task, each in enumerate(attempts)]
        chosen = "\n".join(['case "$SLURM_ARRAY_TASK_ID" in', *cases, "esac"])
    else:
        chosen = f"attempt={shlex.quote(str(attempts[0].path))}"
    return f"""#!/bin/sh
{chosen}
if [ "${{SLURM_RESTART_COUNT:-0}}" -gt 0 ]; then
    attempt=$({requeue} "$attempt") || exit 1
fi
export {MARK}="$attempt"
exec {runner} "$attempt"
"""


def seconds_of(limit: str | None) -> int | None:
    """Return a time limit as sbatch takes it, in seconds; None where there is none."""
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


def resource_flags(options: SlurmOptions) -> list[str]:
    """Return what a job asks for, as options of sbatch."""
    flags = {
        "nodes": options.nodes,
        "ntasks": options.nodes,
        "ntasks-per-node": options.nodes and 1,
        "partition": options.partition,
        "time": options.time,
        "gpus": options.gpus,
        "cpus-per-task": options.cpus,
        "mem": options.mem,
        "account": options.account,
    }
    return [*(f"--{name}={value}" for name, value in flags.items() if value is not None), *options.extra]


def _literally(path: Path) -> str:
    """Quote a file name for sbatch, which replaces %j and the like in it."""
    return str(path).replace("%", "%%")
