"""Whether processes of a live run are stopped: by SIGSTOP, the terminal's ctrl+z, or a debugger.

A stopped process computes nothing and is not stalled: it goes on when it is told to.
"""

import time
from collections.abc import Iterable

from engine.runner.processes.identity import Identity, read_stat

_BY_A_SIGNAL, _BY_A_TRACER = "T", "t"
_SECOND_LOOK_SECONDS = 0.03
"""strace and profilers hold a process for moments."""


def describe_suspension(processes: Iterable[Identity], sampled_pids: Iterable[int] = ()) -> str:
    """Return in words which process of a run is stopped and what lets it go on; empty if none is.

    Args:
        processes: the runner's or stage's own, which live.
        sampled_pids: further processes of the run that the runner's last sample has seen stopped.
    """
    pids = list(dict.fromkeys([*(process.pid for process in processes), *sampled_pids]))
    stopped = [pid for pid in pids if _state(pid)]
    if not stopped:
        return ""
    time.sleep(_SECOND_LOOK_SECONDS)
    for pid in stopped:
        match _state(pid):
            case state if state == _BY_A_SIGNAL:
                return f"pid {pid} was stopped by a signal; `kill -CONT {pid}` continues it"
            case state if state == _BY_A_TRACER:
                return f"pid {pid} is held by a debugger"
    return ""


def _state(pid: int) -> str:
    """Return how a process is stopped; empty if it runs or is gone."""
    stat = read_stat(pid)
    return stat.state if stat is not None and stat.state in (_BY_A_SIGNAL, _BY_A_TRACER) else ""
