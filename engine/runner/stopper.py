"""Stopping a stage whose runner is dead. Its exit code cannot be known any more; that it was stopped can."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable

from engine.files.json_records import read_json, write_json
from engine.files.safe_open import open_descriptor
from engine.runner.containers import Containers, containers_among
from engine.runner.ending import outcome_record
from engine.runner.pause import put_back
from engine.runner.processes.children import descendants, marked
from engine.runner.processes.identity import ALIVE, Identity, Stat, from_record, presence, read_stat
from engine.runner.run import log
from engine.runner.signals import STOP_SIGNALS, prepare_signals
from engine.runner.stop import GRACE, Escalation

_POLL_SECONDS = 0.2


def stop_orphan(attempt: str, ready: Callable[[], None]) -> int:
    """Stop everything of an attempt that is still alive, in the runner's way, and write the outcome.

    Returns:
        0 when it is done or somebody else is at it, 1 when there is nothing to stop.
    """
    prepare_signals()
    lock = open_descriptor(os.path.join(attempt, "process.json"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    except OSError:
        pass
    process = read_json(os.path.join(attempt, "process.json")) or {}
    runner, stage = from_record(process.get("runner")), from_record(process.get("stage"))
    if stage is None or (runner is not None and presence(runner) == ALIVE):
        log(f"{attempt}: nothing to stop here")
        return 1
    grace = {**GRACE, **(read_json(os.path.join(attempt, "launch.json")) or {}).get("grace", {})}
    _stop(attempt, stage, grace, ready)
    _write_outcome(attempt, process)
    put_back(attempt)
    return 0


def _stop(attempt: str, stage: Identity, grace: dict[str, float], ready: Callable[[], None]) -> None:
    def processes() -> list[Stat]:
        return processes_of(attempt, stage)

    request = os.path.join(attempt, "stop.json")
    skip = bool((read_json(request) or {}).get("now"))
    containers = Containers(attempt)
    containers.add(containers_among(processes()))
    escalation = Escalation(os.path.join(attempt, "stopping.json"), processes, grace, skip_first=skip)
    ready()
    while processes():
        received = signal.sigtimedwait(STOP_SIGNALS, _POLL_SECONDS)
        skip = received is not None and bool((read_json(request) or {}).get("now"))
        if skip or time.monotonic() >= escalation.deadline:
            escalation.advance()
    is_killed = escalation.killing_since is not None
    text = containers.end(at_once=is_killed, is_client_killed=is_killed)
    if text:
        log(text)


def processes_of(attempt: str, stage: Identity) -> list[Stat]:
    """Return the stage, what is below it, and what carries the attempt's mark: its orphans hang elsewhere in the
    tree now.
    """
    stats_by_pid = {stat.pid: stat for stat in marked(attempt)}
    if presence(stage) == ALIVE:
        main = read_stat(stage.pid)
        if main is not None:
            stats_by_pid[main.pid] = main
        stats_by_pid.update((stat.pid, stat) for stat in descendants(stage.pid, attempt))
    stats_by_pid.pop(os.getpid(), None)
    return list(stats_by_pid.values())


def _write_outcome(attempt: str, process: dict[str, object]) -> None:
    path = os.path.join(attempt, "outcome.json")
    if os.path.exists(path):
        return
    started = process.get("started_monotonic")
    record = outcome_record(
        kind="ended",
        stop_requested=True,
        started_at=process.get("started_at"),
        seconds=round(time.monotonic() - started, 3) if isinstance(started, int | float) else None,
        reason="stopped after its runner was lost; the exit code is unknown",
    )
    with contextlib.suppress(OSError):
        write_json(path, record)
