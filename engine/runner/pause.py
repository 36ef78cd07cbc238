"""Pausing: the stage ends at a checkpoint, and its run is put back into the queue, held, to go on from there.

`pause.json` asks for it. The next attempt is made by `app.launching.requeue_paused`, a program of its own, for the
runner knows no more of checkpoints than their names; any later command makes up for a runner that could not.
"""

import contextlib
import os
import signal
import sys
from typing import Any

from engine.files.json_records import read_json
from engine.files.programs import module_command
from engine.runner.processes.children import MARK

PAUSED = "paused at a checkpoint"
REQUEUE_MODULE = "app.launching.requeue_paused"
_PATIENCE_SECONDS = 90.0
"""Slurm is asked to take the next attempt meanwhile."""


class Watch:
    """Looks for the next checkpoint of a trainer that cannot be asked to end after an epoch."""

    def __init__(self, attempt: str) -> None:
        self._attempt = attempt
        self._last_stamp: list[int] | None = None

    def is_due(self) -> bool:
        """Return whether a checkpoint has been written since the request, and was left alone since the last look."""
        request = read_request(self._attempt)
        checkpoint = (request or {}).get("checkpoint")
        if request is None or not checkpoint:
            return False
        checkpoint_stamp = stamp_of(str(checkpoint))
        if checkpoint_stamp is None or checkpoint_stamp == request.get("stamp"):
            return False
        is_whole, self._last_stamp = checkpoint_stamp == self._last_stamp, checkpoint_stamp
        return is_whole


def stamp_of(path: str) -> list[int] | None:
    """Return a value that changes whenever a file is written; None if the file does not exist."""
    with contextlib.suppress(OSError):
        status = os.stat(path)
        return [status.st_ino, status.st_size, status.st_mtime_ns]
    return None


def read_request(attempt: str) -> dict[str, Any] | None:
    """Return the content of `pause.json`, None when there is none."""
    return read_json(os.path.join(attempt, "pause.json"))


def put_back(attempt: str) -> None:
    """Start the program that creates the next attempt of a paused run. Never raises."""
    request = read_request(attempt)
    if request is None:
        return
    import subprocess  # only now: it would make every runner larger

    environment = {**os.environ, MARK: f"pause:{attempt}"}  # it is no process of the run
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, subprocess.TimeoutExpired):
        process = subprocess.Popen(
            module_command(REQUEUE_MODULE, attempt),
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
            preexec_fn=_unblock_signals,
        )
        if os.path.exists(os.path.join(attempt, "slurm.json")):  # Slurm kills what a job leaves behind
            process.wait(_PATIENCE_SECONDS)
    sys.stderr.flush()


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
