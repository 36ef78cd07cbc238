"""Whether the process behind a watched log lives: by its identity, or by who holds the file open for writing."""

import math
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.contracts.attempt_records import ProcessIdentity
from engine.contracts.run_folder import AttemptFolder
from engine.contracts.watching import WatchRecord
from engine.runner.processes.identity import ALIVE, ELSEWHERE, REBOOTED, Identity, presence
from engine.supervise.state.open_files import writers, writes
from engine.supervise.state.process_facts import measure_silence
from engine.supervise.state.suspension import describe_suspension

_LOOK_SECONDS = 2.0
"""How often all processes are looked through for the one that writes a log, at most."""
_ELSEWHERE_SECONDS = 3600.0
"""Without growth, after which a process on another machine or in another container is taken to be gone."""
GROWING_SECONDS = 60.0
_PATIENCE = 3.0
"""Times the longest gap: a file that nobody is seen to write lives as long as it grows in its rhythm."""


@dataclass(frozen=True)
class Observed:
    """What can be seen of a watched process."""

    is_alive: bool
    reason: str
    """Who it is, in words; empty when it is gone."""
    record: WatchRecord
    rebooted: bool = False
    suspended: str = ""
    """Which process is stopped, and what lets it go on, in words; empty if none is."""


def observe(attempt: AttemptFolder) -> Observed | None:
    """Look at the process behind a watched log; None when the record cannot be read."""
    record = WatchRecord.read(attempt.watch)
    if record is None:
        return None
    if record.ended_at is not None:
        return Observed(False, "", record)
    recorded_processes = [record.process] if record.process is not None else record.writers
    presences = [presence(_identity(process)) for process in recorded_processes]
    if ELSEWHERE in presences and ALIVE not in presences:
        # Its end will be written down where it can be seen; unless that container or machine is gone itself.
        alive = measure_silence(attempt).seconds < _ELSEWHERE_SECONDS
        return Observed(alive, f"on {recorded_processes[presences.index(ELSEWHERE)].host}" if alive else "", record)
    if record.process is not None:
        if presences != [ALIVE]:
            return Observed(False, "", record, rebooted=REBOOTED in presences)
        suspended = describe_suspension([_identity(record.process)])
        return Observed(True, _process_text(record.process), record, suspended=suspended)
    writers = current_writers(record)
    if writers:
        suspended = describe_suspension(map(_identity, writers))
        return Observed(True, f"written by {_process_text(writers[0])}", record, suspended=suspended)
    if _is_replaced(record):
        return Observed(True, "its log was replaced by another file", record)
    if not record.writers and _grows(record):
        return Observed(True, "it grows; who writes it cannot be seen from here", record)
    return Observed(False, "", record, rebooted=REBOOTED in presences)


def current_writers(record: WatchRecord) -> list[ProcessIdentity]:
    """Return who holds the file open for writing: those that did before, else whoever does now."""
    recorded_writers = [
        writer
        for writer in record.writers
        if presence(_identity(writer)) == ALIVE and writes(writer.pid, record.device, record.inode)
    ]
    return recorded_writers or _look(record.device, record.inode)


_looks: dict[tuple[int, int], tuple[float, list[ProcessIdentity]]] = {}
"""When all processes were last looked through for the writers of a file, and what was found."""


def _look(device: int, inode: int) -> list[ProcessIdentity]:
    at, found = _looks.get((device, inode), (-math.inf, []))
    if time.monotonic() - at >= _LOOK_SECONDS:
        found = [ProcessIdentity(**writer._asdict()) for writer in writers(device, inode)]
        _looks[device, inode] = (time.monotonic(), found)
    return found


def _is_replaced(record: WatchRecord) -> bool:
    """Return whether another file has the log's name now, and somebody writes that one."""
    try:
        status = os.stat(record.path)
    except OSError:
        return False
    is_other = (status.st_dev, status.st_ino) != (record.device, record.inode)
    return is_other and bool(record.writers) and bool(_look(status.st_dev, status.st_ino))


def _grows(record: WatchRecord) -> bool:
    if record.grown_at is None:
        return False
    silent = (datetime.now(UTC) - record.grown_at).total_seconds()
    return silent < max(GROWING_SECONDS, _PATIENCE * record.longest_gap)


def _identity(record: ProcessIdentity) -> Identity:
    return Identity(record.pid, record.start_time, record.boot_id, record.host, record.pid_namespace)


def _process_text(process: ProcessIdentity) -> str:
    return f"{process_name(process.pid)} (pid {process.pid})"


def process_name(pid: int) -> str:
    """Return what a process is called; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a process"
