"""Starting the program that reports on values and resources of a run while it goes on."""

import contextlib
import os
import signal
from collections.abc import Mapping
from typing import Any

from engine.files.json_records import read_json
from engine.files.programs import PACKAGE_ROOT, script_command
from engine.runner.processes.children import MARK

_PROGRAM = os.path.join(PACKAGE_ROOT, "engine", "supervise", "alerts", "watch.py")
ALERT_EVENTS = frozenset({"nan", "spike", "best", "falling", "disk", "gpu-idle"})
"""What the program reports; the runner reports all other events."""


def start_watch(attempt: str, launch: Mapping[str, Any], seconds: float) -> None:
    """Start the program if alerts are configured. It ends by itself after this process. Never raises.

    Args:
        seconds: between its checks.
    """
    settings = read_json(str(launch.get("notify") or "")) if launch.get("notify") else None
    if settings is None or not ALERT_EVENTS.intersection(settings.get("on", ALERT_EVENTS)):
        return
    argv = script_command(_PROGRAM, attempt, f"{seconds:g}", str(os.getpid()), site_packages=False)
    environment = {**os.environ, MARK: f"alerts:{attempt}"}  # it is no process of the run: no stop reaches it
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    with contextlib.suppress(OSError, TypeError):
        os.posix_spawn(argv[0], argv, environment, file_actions=actions, setsigmask=[], setsigdef=[signal.SIGINT])
