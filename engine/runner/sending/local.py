"""Ways to tell somebody on this machine: a shell command, and the terminal that launched the run."""

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

_COMMAND_SECONDS = 60.0


def ring_terminal(terminal: str, message: Mapping[str, Any]) -> None:
    """Ring the bell and send OSC 9 (a desktop notification) to the terminal of the launch, if it is still the same."""
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


def run_command(command: str, message: Mapping[str, Any]) -> None:
    """Run a shell command, with the message in its environment and as JSON on its stdin.

    Raises:
        OSError: it cannot be started, or ends with an exit code other than 0.
        subprocess.TimeoutExpired: it takes longer than a minute.
    """
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
