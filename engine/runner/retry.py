"""Retrying: a failed attempt is followed by another one, after a pause in the queue.

The runner tells by the outcome whether one may follow. Whether one does depends on the log and on the checkpoints,
which a program of its own reads; it also creates the next attempt. Until it has decided, `retry.json` lies beside the
outcome and the runner lives: the run is still queued, for whoever looks and for the runs that need it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from engine.files.json_records import now, write_json
from engine.files.programs import module_command
from engine.runner.processes.children import MARK

RECORD = "retry.json"
_PATIENCE_SECONDS = 120.0
"""The program imports packages and reads a log, on a machine that may be loaded."""
_NOT_AFTER = ("stop.json", "pause.json")
"""Somebody asked for the end."""


def may_follow(attempt: str, launch: Mapping[str, Any], outcome: Mapping[str, Any]) -> bool:
    """Return whether a retry is possible by what the runner knows: some are left, and the run failed by itself."""
    retry = launch.get("retry") or {}
    return (
        int(retry.get("number") or 0) < int(retry.get("limit") or 0)
        and outcome["kind"] in ("exited", "signaled")
        and outcome["exit_code"] != 0
        and not outcome["stop_requested"]
        and not outcome["time_limit"]
        and not any(os.path.exists(os.path.join(attempt, name)) for name in _NOT_AFTER)
    )


def announce(attempt: str) -> bool:
    """Say that a retry may follow; call it before the outcome is written. False where the disk is full."""
    try:
        write_json(os.path.join(attempt, RECORD), {"since": now()})
    except OSError:
        return False
    return True


def start_next_attempt(attempt: str) -> bool:
    """Let the program decide and create the next attempt. Returns whether there is one. Never raises.

    The record goes last: a stop removes it, too, and the program starts nothing that it is no longer there for.
    """
    import subprocess  # only now: it would make every runner larger

    environment = {**os.environ, MARK: f"retry:{attempt}"}  # it is no process of the run
    code = 1
    with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
        process = subprocess.Popen(
            module_command("app.launching.retry_run", attempt),
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
            preexec_fn=_unblock_signals,
        )
        code = process.wait(_PATIENCE_SECONDS)
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(attempt, RECORD))
    sys.stderr.flush()
    return code == 0


def number_text(launch: Mapping[str, Any]) -> str:
    """Return `retry 1 of 3`: the attempt that follows this one."""
    retry = launch.get("retry") or {}
    return f"retry {int(retry.get('number') or 0) + 1} of {retry.get('limit')}"


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
