"""The command line that runs a Python command as several processes, under `torchrun`."""

import os
import re
import shlex
from collections.abc import Sequence

from engine.contracts.errors import YoloqatError

_PYTHON = re.compile(r"python[\d.]*")
_WITH_VALUE = ("-W", "-X")
_LAUNCHER = ("-m", "torch.distributed.run")
"""torchrun by the command's own interpreter, so that launcher and script are of one environment."""

# The processes are nobody's children here: a signal reaches them through Slurm, by a scancel that the same signal, sent
# to all that is below the runner, must not end. srun takes a single SIGINT for a question, and goes on. The id of an
# array's first task alone would mean the whole array. Below 32768 no port is given away by chance, and each job has one
# of its own.
_ON_NODES = """\
job=${{SLURM_ARRAY_JOB_ID:+${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID}}
job=${{job:-$SLURM_JOB_ID}}
pass_on() {{
    trap '' INT TERM
    scancel --quiet --signal=$1 "$job" || {{ sleep 1; scancel --quiet --signal=$1 "$job"; }}
    trap 'pass_on INT' INT
    trap 'pass_on TERM' TERM
}}
trap 'pass_on INT' INT
trap 'pass_on TERM' TERM
srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --kill-on-bad-exit=1 \
${{SLURM_CPUS_PER_TASK:+--cpus-per-task=$SLURM_CPUS_PER_TASK}} {launcher} \
--nnodes={nodes} --nproc-per-node={processes} --rdzv-backend=c10d \
--rdzv-id="$SLURM_JOB_ID.${{SLURM_RESTART_COUNT:-0}}" \
--rdzv-endpoint="$(hostname):$((20000 + SLURM_JOB_ID % 10000))" "$@" &
while :; do
    wait $!
    code=$?
    kill -0 $! 2> /dev/null || exit $code
done"""


def torchrun_argv(command: Sequence[str], processes: int, nodes: int = 1) -> list[str]:
    """`python train.py …` as so many processes on each node.

    Args:
        command: `python SCRIPT …` or `python -m MODULE …`.
        processes: on each node; one for each GPU is usual.
        nodes: of a job of Slurm; on one machine torchrun needs no other's help.

    Raises:
        YoloqatError: the command is no Python script or module.
    """
    interpreter, rest = _split(command)
    if nodes == 1:
        # Standalone: it finds a free port, so that runs beside each other do not meet.
        return [*interpreter, *_LAUNCHER, "--standalone", "--nnodes=1", f"--nproc-per-node={processes}", *rest]
    launcher = shlex.join([*interpreter, *_LAUNCHER])
    return ["sh", "-c", _ON_NODES.format(nodes=nodes, processes=processes, launcher=launcher), "torchrun", *rest]


def _split(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """The interpreter with its options, and the script or `-m MODULE` with its arguments."""
    words = list(command)
    if words and _PYTHON.fullmatch(os.path.basename(words[0])):
        at = 1
        while at < len(words) and words[at].startswith("-") and words[at] not in ("-m", "-c", "-"):
            at += 2 if words[at] in _WITH_VALUE else 1
        if at < len(words) and words[at] not in ("-c", "-"):
            return words[:at], words[at:]
    raise YoloqatError(
        "only a Python script or module can be run as several processes",
        where=shlex.join(words[:3]),
        hint="Write `python SCRIPT …` or `python -m MODULE …`, or put torchrun into the command yourself.",
    )
