"""The command line that runs a Python command as several processes, under `torchrun`."""

import os
import re
import shlex
from collections.abc import Sequence

from engine.contracts.errors import YoloqatError

LAUNCHER = ("-m", "torch.distributed.run")
"""torchrun by the command's own interpreter, so that launcher and script are of one environment."""
_PYTHON = re.compile(r"python[\d.]*")
_WITH_VALUE = ("-W", "-X")


def torchrun_argv(command: Sequence[str], processes: int) -> list[str]:
    """Return `python train.py …` as so many processes on this machine.

    Args:
        command: `python SCRIPT …` or `python -m MODULE …`.
        processes: one for each GPU is usual.

    Raises:
        YoloqatError: the command is no Python script or module.
    """
    interpreter, rest = split(command)
    # Standalone: it finds a free port, so that runs beside each other do not meet.
    return [*interpreter, *LAUNCHER, "--standalone", "--nnodes=1", f"--nproc-per-node={processes}", *rest]


def split(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the interpreter with its options, and the script or `-m MODULE` with its arguments.

    Raises:
        YoloqatError: the command is no Python script or module.
    """
    argv = list(command)
    if argv and _PYTHON.fullmatch(os.path.basename(argv[0])):
        at = 1
        while at < len(argv) and argv[at].startswith("-") and argv[at] not in ("-m", "-c", "-"):
            at += 2 if argv[at] in _WITH_VALUE else 1
        if at < len(argv) and argv[at] not in ("-c", "-"):
            return argv[:at], argv[at:]
    raise YoloqatError(
        "only a Python script or module can be run as several processes",
        where=shlex.join(argv[:3]),
        hint="Write `python SCRIPT …` or `python -m MODULE …`, or put torchrun into the command yourself.",
    )
