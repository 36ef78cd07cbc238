"""Stopping: SIGINT to every process of the run, then SIGTERM, then SIGKILL, with graces in between, told on disk."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from engine.files.json_records import now, write_json
from engine.runner.processes.identity import Stat, identify, send_signal_to

STEPS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
GRACE = {"sigint": 20.0, "sigterm": 10.0, "leftovers": 1.5}
"""Seconds: after SIGINT, after SIGTERM, and for what is left once the main process has gone."""
_REPEAT_SECONDS = (0.2, 5.0)
"""SIGKILL is repeated, ever more rarely: a process may fork between being listed and being killed, or be stuck in the
kernel for long."""
_LOOKS = 5
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STUCK_SECONDS = 10.0
"""What SIGKILL has not removed after this time, once the main process has gone, is reported and left."""


class Escalation:
    """One stop in progress. Whoever drives it waits until `deadline` and then calls `advance`."""

    def __init__(
        self, record: str, processes: Callable[[], list[Stat]], grace: Mapping[str, float], skip_first: bool = False
    ) -> None:
        self.record = record
        self.deadline: float = 0.0
        """When `advance` is due, on the monotonic clock."""
        self._processes = processes
        self.killing_since: float | None = None
        """When the first SIGKILL went out."""
        self._grace = [grace["sigint"], grace["sigterm"], _REPEAT_SECONDS[0]]
        self._step = 0 if skip_first else -1
        self.advance()

    def advance(self) -> int:
        """Send the next signal to everything that is left.

        Returns:
            How many processes it was sent to.
        """
        repeated = self._step == len(STEPS) - 1
        self._step = min(self._step + 1, len(STEPS) - 1)
        count = send_to_all(self._processes, STEPS[self._step])
        self.deadline = time.monotonic() + self._grace[self._step]
        if repeated:
            self._grace[-1] = min(self._grace[-1] * 1.5, _REPEAT_SECONDS[1])
        else:
            self._tell(count)
        if STEPS[self._step] == signal.SIGKILL and self.killing_since is None:
            self.killing_since = time.monotonic()
        return count

    def _tell(self, count: int) -> None:
        last = self._step == len(STEPS) - 1
        grace = self._grace[self._step]
        sender = identify(os.getpid())
        record = {
            "signal": STEPS[self._step].name,
            "sent_at": now(),
            "processes": count,
            "next_signal": None if last else STEPS[self._step + 1].name,
            "next_at": None if last else (datetime.now(UTC) + timedelta(seconds=grace)).isoformat(),
            "next_at_monotonic": None if last else self.deadline,
            "sender": None if sender is None else sender._asdict(),
        }
        with contextlib.suppress(OSError):  # a full disk or a deleted folder must not hold up the stop
            write_json(self.record, record, durable=False)


def send_to_all(processes: Callable[[], list[Stat]], signal_number: signal.Signals) -> int:
    """Signal each process; one that is stopped is woken up so that it can act. Returns how many were reached.

    The list is taken again until nothing is on it that was there, unseen, when the signals went out: a shell that
    forks at that very moment would otherwise take the signal and wait for a child that never got it. What starts
    later is left alone; it may be what the stage does to clean up.
    """
    reached: set[tuple[int, int]] = set()
    latest = None
    for _ in range(_LOOKS):
        new_processes = {(process.pid, process.start_time) for process in processes()} - reached
        new_processes = {(pid, start) for pid, start in new_processes if latest is None or start <= latest}
        if not new_processes:
            break
        for pid, start in new_processes:
            send_signal_to(pid, start, signal_number)
            if signal_number != signal.SIGKILL:
                send_signal_to(pid, start, signal.SIGCONT)
        reached |= new_processes
        if latest is None and signal_number != signal.SIGKILL:
            latest = int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS_PER_SECOND)
    return len(reached)


def clear_leftovers(
    processes: Callable[[], list[Stat]], grace: float, reap: Callable[[], object]
) -> tuple[int, list[int]]:
    """End what the main process has left behind: wait for it, then send SIGTERM, then SIGKILL.

    Workers without a master hold the GPU for ever, and a run that has ended computes nothing. A third of the grace
    passes before each signal; after SIGKILL the wait is as long again, for processes stuck in the kernel.

    Returns:
        How many there were at first, and the pids that even SIGKILL did not remove.
    """
    left = processes()
    count = len(left)
    start = time.monotonic()
    sent = None
    while left and time.monotonic() < start + 2 * grace + 1:
        elapsed = time.monotonic() - start
        if elapsed >= grace * 2 / 3:
            send_to_all(processes, signal.SIGKILL)
        elif elapsed >= grace / 3 and sent is None:
            sent = signal.SIGTERM
            send_to_all(processes, sent)
        time.sleep(0.02 if elapsed < 0.2 else 0.1)
        reap()
        left = processes()
    return count, [process.pid for process in left]
