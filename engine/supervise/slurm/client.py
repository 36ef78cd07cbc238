"""Calling Slurm's programs. A refusal is an answer; a controller that is away is none."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.contracts.errors import YoloqatError

ASK_SECONDS = 6.0
"""For a question. Slurm's own programs wait longer for a controller that is away, and a screen must not."""
SUBMIT_SECONDS = 60.0
_UNKNOWN_JOB = ("invalid job id", "does not exist", "not found")
_NO_ANSWER = (
    "unable to contact", "connection refused", "connect failure", "timed out", "communication", "zero bytes",
    "authentication", "munge", "process configuration", "configuration source", "talking to the database",
)  # fmt: skip


class NoAnswer(Exception):
    """Slurm could not be asked; the message says why."""


class Reply(NamedTuple):
    """What a program of Slurm printed."""

    code: int
    output: str
    error: str

    @property
    def is_unknown_job(self) -> bool:
        """Slurm has answered, and does not know the job."""
        message_text = (self.output + self.error).lower()  # of a task of an array, scontrol says it on stdout
        return self.code != 0 and any(message in message_text for message in _UNKNOWN_JOB)


def call(argv: Sequence[str], *, seconds: float = ASK_SECONDS, environment: Mapping[str, str] | None = None) -> Reply:
    """Run a program of Slurm.

    Raises:
        NoAnswer: it is not installed, takes too long, or the controller is away.
    """
    variables = dict(os.environ if environment is None else environment)
    # The variables that set formats would change what is read below.
    for name in (
        "SQUEUE_FORMAT",
        "SQUEUE_FORMAT2",
        "SQUEUE_STATES",
        "SQUEUE_SORT",
        "SACCT_FORMAT",
        "SLURM_TIME_FORMAT",
    ):
        variables.pop(name, None)
    variables["LC_ALL"] = "C"
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=variables,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{argv[0]} has not answered for {seconds:.0f} s") from None
    except OSError as error:
        raise NoAnswer(f"{argv[0]} cannot be run: {error.strerror or error}") from error
    reply = Reply(done.returncode, done.stdout, done.stderr)
    if reply.code != 0 and any(phrase in reply.error.lower() for phrase in _NO_ANSWER):
        raise NoAnswer(message(reply, argv[0]))
    return reply


def message(reply: Reply, program: str) -> str:
    """Return what a program complained of, without its own name: the last line, which names the cause."""
    lines = [line.strip() for line in reply.error.splitlines() if line.strip()]
    if not lines:
        return f"{program} ended with exit code {reply.code}"
    message_lines = [
        line.removeprefix(f"{program}: ").removeprefix("error: ").removeprefix("fatal: ") for line in lines
    ]
    return "; ".join(dict.fromkeys(message_lines))


def require_slurm() -> None:
    """See whether jobs can be submitted from here at all.

    Raises:
        YoloqatError: there is no sbatch.
    """
    if shutil.which("sbatch") is None:
        raise YoloqatError(
            "Slurm is not installed here: there is no sbatch",
            where="PATH",
            hint="Launch from a login node of the cluster, or on this machine with --executor local.",
        )


def on_cluster(cluster: str) -> list[str]:
    """Return the option that asks the right cluster of a federation."""
    return [f"--clusters={cluster}"] if cluster else []
