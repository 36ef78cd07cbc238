"""Telling people how a run is doing: a process of its own, started by the runner, that nobody waits for.

`python -I -S notify.py ATTEMPT EVENT REASON`, with EVENT one of `EVENTS`. What to do stands in the file that
`launch.json` names, not in `launch.json`: the address of a webhook is a secret.
"""

import contextlib
import json
import os
import signal
import sys
import time
from typing import Any

EVENTS = {
    "success": "succeeded",
    "failure": "failed",
    "stall": "has been silent for unusually long",
    "retry": "is retried",
    "time-limit": "was stopped",
    "nan": "has a loss that is not finite",
    "spike": "has a loss that jumped",
    "best": "has a new best mAP",
    "falling": "has an mAP that keeps falling",
    "disk": "is filling the disk",
    "gpu-idle": "leaves its GPU idle",
    "test": "sends a test message",
}
"""Event → what the message says of the run."""
_PATIENCE_SECONDS = 120.0


def start(attempt: str, launch: dict[str, Any], event: str, reason: str, *, wait: bool = False) -> None:
    """Start the process, if anybody wants to know. Never raises: a run must not end because nobody can be told.

    Args:
        wait: until it is done, for a runner with which everything that it has started ends.
    """
    if not launch.get("notify"):
        return
    import subprocess  # only now: it would make every runner larger

    from engine.files.programs import script_command

    environment = {**os.environ, "YOLOQAT_ATTEMPT": f"notify:{attempt}"}  # else it were a process of the run
    command = script_command(__file__, attempt, event, reason, site_packages=False)
    with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
        # Signals that the runner has blocked would stay blocked in it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True, preexec_fn=_unblock_signals
        )
        if wait:
            process.wait(_PATIENCE_SECONDS)


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main(attempt: str, event: str, reason: str) -> int:
    """Send the message through every configured service; print failures on stderr, which is `runner.log`."""
    from engine.runner.sending.ways import deliver  # only in the program: it costs a runner 10 MB

    launch = _read(os.path.join(attempt, "launch.json"))
    settings = _read(str(launch.get("notify", "")))
    if event not in settings.get("on", EVENTS):
        return 0
    failed = 0
    for delivery in deliver(settings, describe(attempt, launch, event, reason), str(launch.get("terminal", ""))):
        if delivery.error:
            failed += 1
            moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            sys.stderr.write(f"{moment} notification: {delivery.way}: {_plain(delivery.error)}\n")
    return 1 if failed else 0


def describe(attempt: str, launch: dict[str, Any], event: str, reason: str) -> dict[str, Any]:
    """Return what is told: plain values, and a sentence under `text`, which chat programs show."""
    folder = os.path.dirname(os.path.dirname(attempt))
    outcome = _read(os.path.join(attempt, "outcome.json"))
    name = _plain(str(launch.get("name") or launch.get("run_id", "")))
    host = os.uname().nodename
    detail = f": {_plain(reason)}" if reason and event != "success" else ""
    return {
        "event": event,
        "run": name,
        "id": launch.get("run_id", ""),
        "stage": launch.get("stage", ""),
        "attempt": int(os.path.basename(attempt)),
        "reason": _plain(reason),
        "seconds": outcome.get("seconds"),
        "host": host,
        "folder": folder,
        "text": f"{name} on {host} {EVENTS.get(event, event)}{detail}",
    }


def _plain(text: str) -> str:
    """Remove what a terminal would take for a command."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    sys.exit(main(*sys.argv[1:4]))
