"""What is known of an attempt: the files in its folder, and which of its processes are there."""

import fcntl
import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from engine.contracts.attempt_records import (
    LaunchRecord,
    ProcessIdentity,
    ProcessRecord,
    SlurmRecord,
    StoppingRecord,
    WaitingRecord,
)
from engine.contracts.outcome import Outcome
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.files.safe_open import open_regular
from engine.runner.processes.identity import ALIVE, ELSEWHERE, GONE, Identity, boot_id, presence
from engine.runner.waiting.dependencies import is_retry_pending
from engine.supervise.launch.start_records import is_other_process, may_start
from engine.supervise.slurm.observe import Observed, observe
from engine.supervise.state.console_tail import LogEnding, read_ending
from engine.supervise.state.suspension import describe_suspension

_SAMPLE_BYTES = 8192
_SAMPLED_SECONDS = 60.0
"""Without a sample for so long, its runner has gone."""


@dataclass(frozen=True, slots=True)
class Silence:
    """How long the console has been silent, how long it usually is, and was at most, in seconds."""

    seconds: float
    usual: float | None = None
    longest: float = 0.0
    """The longest that it has come back from."""


class Sample(NamedTuple):
    """What the runner's newest sample tells of a run's silence and processes, in seconds."""

    monotonic: float
    silent: float
    usual: float | None
    longest: float
    stopped: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """All that a state is decided from. `runner` and `stage` are None where no such process was ever recorded."""

    outcome: Outcome | None = None
    process: ProcessRecord | None = None
    launch: LaunchRecord | None = None
    runner: str | None = None
    """`alive`, `gone` or `rebooted` (gone, and the machine has restarted since)."""
    stage: str | None = None
    launcher: str | None = None
    age_seconds: float = 0.0
    """Since the launch; looked at only where no runner has told who it is."""
    waiting: str | None = None
    stop_asked: bool = False
    stopping: StoppingRecord | None = None
    asked_after_epoch: bool = False
    """Somebody asked for the end after an epoch."""
    pause_asked: bool = False
    """Somebody asked for the end at a checkpoint, and that it be queued again."""
    retry_pending: bool = False
    """It has ended, and its runner finds out whether another attempt follows."""
    finished: bool = False
    """One of our stages has left its `result.json`, which it writes last."""
    missing: tuple[str, ...] = ()
    """Promised artifacts that are not there; looked at only where no outcome tells."""
    ending: LogEnding | None = None
    """How the log ends; looked at only where it matters."""
    silence: Silence | None = None
    suspended: str = ""
    """Which process of a live run is stopped, and what lets it go on, in words; empty if none is."""
    where: str = ""
    """The job of a cluster and its node."""
    may_start: bool = True
    """This user launched it on this machine, in this folder; looked at only where it waits without a runner."""
    host: str | None = None
    """The other machine or container, for a run whose processes cannot be seen from here."""


def collect_process_facts(folder: RunFolder, attempt: AttemptFolder) -> ProcessFacts:
    """Collect the evidence of an attempt. Reads a few small files; never looks through the process table."""
    job = SlurmRecord.read(attempt.slurm)
    if job is not None:
        return _of_a_job(folder, attempt, observe(folder, attempt, job))
    outcome = Outcome.read(attempt.outcome)
    if outcome is not None:
        return _of_an_outcome(folder, attempt, outcome)
    process = ProcessRecord.read(attempt.process)
    runner = _presence(process.runner, attempt) if process else None
    stage = _presence(process.stage, attempt) if process and process.stage else None
    if ALIVE in (runner, stage):
        return _of_the_living(folder, attempt, process, runner, stage)
    # Both may have gone, and written the outcome, between the first look and the second; or the runner has come.
    outcome = Outcome.read(attempt.outcome)
    if outcome is not None or (process is None and ProcessRecord.read(attempt.process) is not None):
        return collect_process_facts(folder, attempt)
    launch = LaunchRecord.read(attempt.launch)
    expected = not attempt.process.exists()  # a damaged record is not one that is still to come
    promised = launch.artifacts.values() if launch else ()
    return ProcessFacts(
        process=process,
        launch=launch,
        runner=runner,
        stage=stage,
        launcher=_launcher_presence(launch.launcher, attempt) if launch and launch.launcher and expected else None,
        age_seconds=_age(attempt.launch) if expected else 0.0,
        stop_asked=attempt.stop_request.exists(),
        finished=folder.result.exists(),
        missing=tuple(sorted(path for path in promised if not (folder.path / path).is_file())),
        ending=read_ending(attempt.console),
        may_start=stage is not None or may_start(attempt),
        host=_other_host(process),
    )


def _of_an_outcome(folder: RunFolder, attempt: AttemptFolder, outcome: Outcome) -> ProcessFacts:
    if outcome.exit_code == 0 or outcome.stop_requested:
        return ProcessFacts(outcome=outcome, finished=folder.result.exists())
    return ProcessFacts(
        outcome=outcome,
        ending=read_ending(attempt.console),
        asked_after_epoch=folder.stop_after_epoch.exists(),
        retry_pending=is_retry_pending(str(attempt.path)),
    )


def _of_a_job(folder: RunFolder, attempt: AttemptFolder, job: Observed) -> ProcessFacts:
    """Collect the facts of an attempt in a Slurm job: its processes are on a node, so Slurm tells whether it lives."""
    if job.outcome is not None:
        return _of_an_outcome(folder, attempt, job.outcome)
    process = None if job.waiting or job.put_back else ProcessRecord.read(attempt.process)
    stage = ALIVE if process and process.stage else None
    evidence = _of_the_living(folder, attempt, process, ALIVE, stage, is_here=False)
    # The signals of the time before it was put back are over.
    stopping = None if job.waiting or job.put_back else evidence.stopping
    return replace(evidence, waiting=job.waiting or evidence.waiting, where=job.where, stopping=stopping)


def _of_the_living(
    folder: RunFolder,
    attempt: AttemptFolder,
    process: ProcessRecord | None,
    runner: str | None,
    stage: str | None,
    *,
    is_here: bool = True,
) -> ProcessFacts:
    waiting = WaitingRecord.read(attempt.waiting) if stage is None else None
    record = process.runner if process else None
    sample = _last_sample(attempt.system) if stage == ALIVE else None
    return ProcessFacts(
        process=process,
        runner=runner,
        stage=stage,
        waiting=waiting.reason if waiting else None,
        stop_asked=attempt.stop_request.exists(),
        stopping=StoppingRecord.read(attempt.stopping),
        asked_after_epoch=folder.stop_after_epoch.exists(),
        pause_asked=attempt.pause.exists(),
        silence=_silence(attempt, sample) if stage == ALIVE else None,
        suspended=_suspended(process, runner, stage, sample) if is_here else "",
        host=record.host if record and presence(identity_of(record)) == ELSEWHERE else None,
    )


def _suspended(process: ProcessRecord | None, runner: str | None, stage: str | None, sample: Sample | None) -> str:
    if process is None:
        return ""
    living = [process.stage] if stage == ALIVE else []
    living += [process.runner] if runner == ALIVE else []
    here = [identity for record in living if record and presence(identity := identity_of(record)) == ALIVE]
    return describe_suspension(here, sample.stopped if sample is not None else ()) if here else ""


def _other_host(process: ProcessRecord | None) -> str | None:
    """Return the machine that it was on, unless it was this one: by its name or, for another container on it, by its
    boot.
    """
    recorded_runner = process.runner if process else None
    if recorded_runner is None or recorded_runner.host == os.uname().nodename or recorded_runner.boot_id == boot_id():
        return None
    return recorded_runner.host


def _presence(record: ProcessIdentity, attempt: AttemptFolder) -> str:
    """Return the presence of a process of the attempt."""
    if presence(identity_of(record)) == ALIVE and is_other_process(attempt, identity_of(record)):
        return GONE  # a copy of a live run's folder, or a forged record: that process is not this attempt's
    return _launcher_presence(record, attempt)


def _launcher_presence(record: ProcessIdentity, attempt: AttemptFolder) -> str:
    """Return the presence of the attempt's launcher, which may well be a process of another run, or of the attempt
    before.
    """
    recorded_presence = presence(identity_of(record))
    if recorded_presence != ELSEWHERE:
        return recorded_presence
    # Its pid means nothing here, but the lock that runner and stage hold is seen wherever the file is.
    return GONE if _is_unlocked(attempt.launch) else ALIVE


def _is_unlocked(path: Path) -> bool:
    """Return whether certainly nobody holds the lock; False where the file system does not tell."""
    try:
        with open_regular(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return not path.exists()
    return True


def measure_silence(attempt: AttemptFolder) -> Silence:
    """Measure how long a log has been silent: by the runner's last sample, whose clock is monotonic, else by its time
    stamp.

    The time stamp is the wall clock's, which may jump: silence is never taken for longer than since that last sample,
    and the rhythm stays the one that the runner saw.
    """
    return _silence(attempt, _last_sample(attempt.system))


def _silence(attempt: AttemptFolder, sample: Sample | None) -> Silence:
    age = time.monotonic() - sample.monotonic if sample is not None else -1.0
    if sample is None or age < 0:  # of another machine, or of before a restart
        return Silence(_age(attempt.console))
    silent = sample.silent + age
    if age >= _SAMPLED_SECONDS:
        silent = min(silent, _age(attempt.console))
    return Silence(silent, sample.usual, sample.longest)


def _age(path: Path) -> float:
    """Return seconds since a file was written; 0 when it is not there."""
    try:
        return max(time.time() - path.stat().st_mtime, 0.0)
    except OSError:
        return 0.0


def _last_sample(path: Path) -> Sample | None:
    """Return the newest sample; None if there is none."""
    try:
        with open_regular(path) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _SAMPLE_BYTES, 0))
            lines = file.read(_SAMPLE_BYTES).splitlines()
        line = json.loads(lines[-1])
        usual = line["rhythm_seconds"]
        return Sample(
            monotonic=float(line["monotonic"]),
            silent=float(line["silent_seconds"]),
            usual=None if usual is None else float(usual),
            longest=float(line.get("longest_seconds") or 0.0),  # absent in samples of an earlier version
            stopped=tuple(int(pid) for pid in line.get("stopped", ())),  # as well
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def identity_of(record: ProcessIdentity) -> Identity:
    """Return the same identity as the runner's code takes it."""
    return Identity(record.pid, record.start_time, record.boot_id, record.host, record.pid_namespace)
