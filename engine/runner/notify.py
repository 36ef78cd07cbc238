"""Telling people how a run is doing: a process of its own, started by the runner, that nobody waits for.

`python -I -S notify.py ATTEMPT EVENT REASON`, with EVENT one of `EVENTS`. What to do stands in the
file that `launch.json` names, not in `launch.json`: the address of a webhook is a secret.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

EVENTS = ("success", "failure", "stall", "retry", "time-limit")
_COMMAND_SECONDS = 60.0
_WEBHOOK_SECONDS = 10.0
_TRIES = 3
_PATIENCE_SECONDS = _COMMAND_SECONDS + _TRIES * (_WEBHOOK_SECONDS + 2.0)
_WORDS = {
    "success": "succeeded",
    "failure": "failed",
    "stall": "has been silent for unusually long",
    "retry": "is retried",
    "time-limit": "was stopped",
}


def start(attempt: str, launch: dict[str, Any], event: str, reason: str, *, wait: bool = False) -> None:
    """Start the process, if anybody wants to know. Never raises: a run must not end because nobody can be told.

    Args:
        wait: until it is done, for a runner with which everything that it has started ends.
    """
    if not launch.get("notify"):
        return
    import subprocess  # only now: it would make every runner larger

    from engine.files.programs import script_command  # not above: as a program this file stands alone

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
    """Tell it every way that is wanted; what fails is said on stderr, which is `runner.log`."""
    launch = _read(os.path.join(attempt, "launch.json"))
    notify_settings = _read(str(launch.get("notify", "")))
    if event not in notify_settings.get("on", EVENTS):
        return 0
    message = describe(attempt, launch, event, reason)
    ways: tuple[tuple[str, Callable[[], None], object], ...] = (
        ("the terminal", lambda: _ring(str(launch.get("terminal", "")), message), notify_settings.get("terminal")),
        ("the command", lambda: _run(str(notify_settings["command"]), message), notify_settings.get("command")),
        ("the webhook", lambda: _post(str(notify_settings["webhook"]), message), notify_settings.get("webhook")),
    )
    failed = 0
    for name, tell, is_enabled in ways:
        if not is_enabled:
            continue
        try:
            tell()
        except Exception as error:  # the other ways are still to come
            failed += 1
            sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} notification: {name}: {error}\n")
    return 1 if failed else 0


def describe(attempt: str, launch: dict[str, Any], event: str, reason: str) -> dict[str, Any]:
    """What is told: plain values, and a sentence under `text`, which chat programs show."""
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
        "text": f"{name} on {host} {_WORDS.get(event, event)}{detail}",
    }


def _ring(terminal: str, message: dict[str, Any]) -> None:
    """Bell and OSC 9 (a desktop notification) on the terminal that the run was launched from, if it is still ours."""
    if not terminal:
        return
    terminal_stat = os.stat(terminal)
    if terminal_stat.st_uid != os.getuid():
        return  # it is somebody else's by now
    descriptor = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        if os.isatty(descriptor):
            os.write(descriptor, f"\x1b]9;{message['text']}\x1b\\\a".encode(errors="replace"))
    finally:
        os.close(descriptor)


def _run(command: str, message: dict[str, Any]) -> None:
    """A shell command, with the message in its environment and as JSON on its stdin."""
    import subprocess

    variables = {f"YOLOQAT_{key.upper()}": "" if value is None else str(value) for key, value in message.items()}
    done = subprocess.run(
        ["sh", "-c", command],
        input=json.dumps(message).encode(),
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    if done.returncode:
        raise OSError(f"exit code {done.returncode}")


def _post(address: str, message: dict[str, Any]) -> None:
    """POST as JSON, a few times where the network or the server fails."""
    import urllib.error
    import urllib.request

    if not address.startswith(("http://", "https://")):
        raise ValueError("the address must begin with http:// or https://")
    request = urllib.request.Request(
        address, json.dumps(message).encode(), {"Content-Type": "application/json", "User-Agent": "yoloqat"}
    )
    for left in reversed(range(_TRIES)):
        try:
            urllib.request.urlopen(request, timeout=_WEBHOOK_SECONDS).close()
            return
        except OSError as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused or not left:
                raise
            time.sleep(2.0)


def _plain(text: str) -> str:
    """Nothing that a terminal would take as a command."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
