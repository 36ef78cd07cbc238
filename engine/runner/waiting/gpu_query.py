"""Asking who uses the GPUs. A short-lived helper does it: the driver's library would cost the runner its smallness."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.files.programs import PACKAGE_ROOT, script_command

QUERY_COMMAND = script_command(os.path.join(PACKAGE_ROOT, "engine", "supervise", "gpu", "inventory.py"))
"""argv of the helper: from here, never from a record of a workspace."""
_WHOLE = "--whole"
"""Tells the helper not to look for MIG instances again where there were none."""
_PATIENCE_SECONDS = 60.0
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 15.0
_BYTES = 1 << 16


class GpuStatus(NamedTuple):
    """One GPU as the driver shows it."""

    name: str
    """Its index, as nvidia-smi counts; of a MIG instance its UUID."""
    uuid: str
    """Empty where only the device file tells that it is there."""
    total: int
    """Bytes; 0 where unknown."""
    processes: tuple[tuple[int, int], ...]
    """Pid and bytes of everything that computes on it."""


class GpuQuery:
    """Runs the helper, never two at once, and ever more rarely as long as it is asked again and again."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = list(argv)
        self._pid = 0
        self._pipe = -1
        self._received = b""
        self._started = 0.0
        self._next = 0.0
        self._delay = _FIRST_DELAY
        self.error = ""
        """Why the last answer was none, in words."""

    def ask(self) -> None:
        """Start the helper, unless it is at it or was just asked."""
        if self._pid or time.monotonic() < self._next:
            return
        if not self._argv:
            self.error = "nothing was named that could be asked"
            return
        self._next = time.monotonic() + self._delay
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, write_end, 1)]
        try:
            self._pid = os.posix_spawn(
                self._argv[0], self._argv, os.environ, file_actions=actions, setsigmask=[], setsigdef=[signal.SIGINT]
            )
        except OSError as error:
            os.close(read_end)
            self.error = f"{self._argv[0]}: {error.strerror}"
            return
        finally:
            os.close(write_end)
        self._pipe, self._received, self._started = read_end, b"", time.monotonic()

    def calm(self) -> None:
        """Answer the next question at once, as if it were the first."""
        self._delay, self._next = _FIRST_DELAY, 0.0

    def answer(self) -> list[GpuStatus] | None:
        """Return every GPU, once after each question; None when there is no answer (yet)."""
        if not self._pid:
            return None
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._pipe, _BYTES):
                self._received += chunk
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if not pid:
            if time.monotonic() - self._started > _PATIENCE_SECONDS:
                self.close()
                self.error = f"no answer in {_PATIENCE_SECONDS:.0f} s"
            return None
        with contextlib.suppress(BlockingIOError):
            self._received += os.read(self._pipe, _BYTES)
        self._pid = 0
        os.close(self._pipe)
        return self._parse(os.waitstatus_to_exitcode(status))

    def close(self) -> None:
        """Give up a question."""
        if self._pid:
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
            os.close(self._pipe)
            self._pid = 0

    def _parse(self, code: int) -> list[GpuStatus] | None:
        try:
            record = json.loads(self._received)
            if "error" in record:
                self.error = str(record["error"])
                return None
            gpu_statuses = [_gpu_status(gpu) for gpu in record["gpus"]]
            is_divided = any("parent" in gpu for gpu in record["gpus"])
        except (ValueError, LookupError, TypeError):
            self.error = f"the helper ended with {code}"
            return None
        self.error = ""
        if not is_divided and _WHOLE not in self._argv:
            self._argv.append(_WHOLE)
        return gpu_statuses


def _gpu_status(gpu: Any) -> GpuStatus:
    processes = tuple((int(process["pid"]), int(process["bytes"])) for process in gpu["processes"])
    return GpuStatus(str(gpu["index"]), str(gpu["uuid"]), int(gpu["total_bytes"]), processes)
