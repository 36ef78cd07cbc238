"""How hard the GPUs of a run work, as a helper tells it: the driver's library would cost the runner its smallness."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.files.json_records import now, write_json
from engine.files.programs import PACKAGE_ROOT, script_command
from engine.runner.processes.children import MARK
from engine.runner.processes.identity import read_stat, send_signal_to

USAGE_COMMAND = script_command(os.path.join(PACKAGE_ROOT, "engine", "supervise", "gpu", "usage.py"))
"""argv of the helper without its arguments: from here, never from a record of a workspace."""
OUTSIDE_RECORD = "outside-lease.json"
CONTROL_DEVICE = "/dev/nvidiactl"
_BYTES = 1 << 16
_STALE_LOOKS = 3.0
"""Times the interval after which a line of the helper says nothing of the present any more."""


class GpuWatch:
    """The helper and its last line. Whatever happens to it, the run goes on without its numbers."""

    def __init__(self, argv: Sequence[str], attempt: str, seconds: float, gpus: Sequence[str]) -> None:
        """Start the helper, where there is one. It ends by itself once nobody reads it any more.

        Args:
            argv: of the helper, without its arguments.
            seconds: between its lines.
            gpus: names of the GPUs that the run has; without any, those on which its processes are seen.
        """
        self._record = os.path.join(attempt, OUTSIDE_RECORD)
        self._outside: list[str] = []
        """GPUs outside of its lease on which a process of the run was seen."""
        self._seconds = seconds
        self._pipe = -1
        self._pid = self._start_time = 0
        self._rest = b""
        self._last_readings: list[dict[str, Any]] = []
        self._last_reading_at = 0.0
        if argv:
            with contextlib.suppress(OSError):
                self._start([*argv, f"{seconds:g}", attempt, *gpus])

    def _start(self, argv: list[str]) -> None:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        environment = {**os.environ, MARK: "gpu usage"}  # it is no process of the run: no stop reaches it
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, write_end, 1)]
        try:
            self._pid = os.posix_spawn(
                argv[0], argv, environment, file_actions=actions, setsigmask=[], setsigdef=[signal.SIGINT]
            )
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._pipe = read_end
        stat = read_stat(self._pid)
        self._start_time = stat.start_time if stat is not None else 0

    def read(self) -> list[dict[str, Any]]:
        """Return what the helper said last, a dictionary for each GPU; nothing where it says nothing any more."""
        while self._pipe >= 0:
            try:
                chunk = os.read(self._pipe, _BYTES)
            except BlockingIOError:
                break
            if not chunk:
                os.close(self._pipe)
                self._pipe = -1
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            if lines:
                with contextlib.suppress(ValueError):
                    self._last_readings, self._last_reading_at = json.loads(lines[-1]), time.monotonic()
                self._note_outside()
        is_fresh = time.monotonic() - self._last_reading_at < _STALE_LOOKS * self._seconds
        return self._last_readings if is_fresh else []

    def _note_outside(self) -> None:
        """Record a GPU outside of the lease when it is seen first: the record stays when the process leaves it."""
        seen = [str(reading.get("index")) for reading in self._last_readings if reading.get("outside_lease")]
        new = [name for name in seen if name not in self._outside]
        if new:
            self._outside += new
            with contextlib.suppress(OSError):
                write_json(self._record, {"gpus": self._outside, "seen_at": now()}, durable=False)

    def close(self) -> None:
        """End the helper. It is collected as every child is."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            send_signal_to(self._pid, self._start_time, signal.SIGKILL)


def watched_gpus(launch: Mapping[str, Any], leases: Sequence[str]) -> list[str] | None:
    """Return the GPUs to look at: those of its leases, any (an empty list) where it has said nothing, None for none."""
    gpus = [lease.removeprefix("gpu-") for lease in leases if lease.startswith("gpu-")]
    if gpus:
        return gpus
    requests_cpu = bool((launch.get("resources") or {}).get("cpu"))
    return [] if not requests_cpu and os.path.exists(CONTROL_DEVICE) else None
