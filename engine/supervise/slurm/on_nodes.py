"""`python -I on_nodes.py NODES PROCESSES python SCRIPT …`: the stage of a job of several nodes, torchrun on each.

The processes on the nodes are nobody's children here, and srun takes a single SIGINT for a question: what the runner
sends to this process is passed on to them through Slurm.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # before another `engine` in site-packages

from engine.files.programs import script_command
from engine.supervise.launch.torchrun import LAUNCHER, split

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TRIES = 2
_PORTS = (20_000, 10_000)
"""The first one and how many: from 32768 on ports are given away by chance. Each job has one of its own."""


def on_nodes_argv(command: Sequence[str], processes: int, nodes: int) -> list[str]:
    """Return argv of this file as a program. Raises what `split` does."""
    split(command)
    return script_command(__file__, str(nodes), str(processes), *command)


def command_of(argv: Sequence[str]) -> Sequence[str]:
    """Return the command itself, without what runs it on several nodes."""
    return argv[5:] if list(argv[1:3]) == script_command(__file__)[1:] else argv


def srun_argv(nodes: int, processes: int, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return what starts torchrun on every node of the job whose variables these are."""
    interpreter, rest = split(command)
    job = environment["SLURM_JOB_ID"]
    first, count = _PORTS
    cpus = environment.get("SLURM_CPUS_PER_TASK")  # srun does not take it from there by itself
    return [
        *("srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--kill-on-bad-exit=1"),
        *([f"--cpus-per-task={cpus}"] if cpus else []),
        *(*interpreter, *LAUNCHER, f"--nnodes={nodes}", f"--nproc-per-node={processes}"),
        *("--rdzv-backend=c10d", f"--rdzv-id={job}.{environment.get('SLURM_RESTART_COUNT', '0')}"),
        f"--rdzv-endpoint={os.uname().nodename}:{first + int(job) % count}",
        *rest,
    ]


def job_name(environment: Mapping[str, str]) -> str:
    """Return what scancel is to be told: the id of an array's first task alone would mean the whole array."""
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment["SLURM_JOB_ID"]


def main(argv: Sequence[str]) -> int:
    """Run to the end; exits as srun does."""
    nodes, processes, *command = argv

    def pass_on(number: int, frame: object) -> None:
        # The same signal is sent to all that is below the runner: it must not end scancel.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        name = signal.Signals(number).name.removeprefix("SIG")
        for _ in range(_TRIES):
            if subprocess.run(["scancel", f"--signal={name}", job_name(os.environ)], check=False).returncode == 0:
                break
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    for number in _SIGNALS:
        signal.signal(number, pass_on)
    code = subprocess.Popen(srun_argv(int(nodes), int(processes), command, os.environ)).wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
