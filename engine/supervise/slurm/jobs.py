"""What Slurm says of the jobs. One process asks for all of a workspace, every few seconds at most; all others read."""

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.contracts.attempt_records import SlurmRecord
from engine.contracts.run_folder import AttemptFolder, Workspace
from engine.files.json_records import read_json, write_json
from engine.files.safe_open import open_lock
from engine.supervise.slurm.client import NoAnswer, Reply, call, message, on_cluster

FRESH_SECONDS = 5.0
NEWEST_SECONDS = 1.0
"""The oldest answer that counts where something is known to have happened since."""
RETRY_SECONDS = 15.0
"""After no answer: whoever looks in between is told so at once."""
UNKNOWN = "UNKNOWN"
"""Slurm answers, and does not know the job (any more)."""
TAKEN_OUT = "taken out of its array"
"""Reason of a task that Slurm does not know, while it knows the array: it was cancelled before it began."""
_LINE = "%i|%T|%r|%l|%N"
_DISABLED = "accounting storage is disabled"


@dataclass(frozen=True, slots=True)
class Job:
    """One job as Slurm shows it."""

    state: str
    """`PENDING`, `RUNNING`, `TIMEOUT`, …, or UNKNOWN."""
    reason: str = ""
    limit: str = ""
    nodes: str = ""


@dataclass(frozen=True, slots=True)
class JobSighting:
    """What is known of a job: as it is now, or as it was when Slurm answered last."""

    job: Job | None
    """None: nothing was ever heard of it."""
    error: str = ""
    """Why Slurm does not answer; empty when it does."""


@dataclass(frozen=True, slots=True)
class _Listing:
    asked_at: float = 0.0
    error: str = ""
    jobs: dict[str, Job] = field(default_factory=dict)

    def is_fresh(self, since: float) -> bool:
        age = time.time() - self.asked_at  # negative after the clock was set back
        if self.error:
            return 0 <= age < RETRY_SECONDS
        return 0 <= age < (FRESH_SECONDS if self.asked_at >= since else min(NEWEST_SECONDS, FRESH_SECONDS))


_listings: dict[Path, tuple[tuple[int, int], _Listing]] = {}
_single: dict[tuple[Path, str], tuple[float, JobSighting]] = {}


def query_job(attempt: AttemptFolder, record: SlurmRecord, *, since: float = 0.0) -> JobSighting:
    """Return what Slurm says of the job of an attempt; at most a few seconds old while Slurm answers.

    Args:
        since: when something happened that an older answer cannot tell, in seconds since the epoch.
    """
    path = workspace_of(attempt).slurm_jobs
    if not record.cluster:
        listing = _current(path, since)
        job = listing.jobs.get(record.job_id)
        if job is not None or listing.error:
            return JobSighting(job or _last_single(path, record), listing.error)
    # Of another user's, in another cluster, too young or too old for the list.
    key = (path, record.job_id)
    asked_at, sighting = _single.get(key, (0.0, JobSighting(None)))
    if not 0 <= time.monotonic() - asked_at < (RETRY_SECONDS if sighting.error else FRESH_SECONDS) or not asked_at:
        try:
            sighting = JobSighting(_ask_for_one(record))
        except NoAnswer as error:
            sighting = JobSighting(sighting.job, str(error))
        _single[key] = (time.monotonic(), sighting)
    return sighting


def forget_answers(attempt: AttemptFolder) -> None:
    """Ask again at the next look: a job was submitted or cancelled just now."""
    path = workspace_of(attempt).slurm_jobs
    for key in [key for key in _single if key[0] == path]:
        del _single[key]
    listing = _read(path)
    _write(path, _Listing(0.0, "", listing.jobs))


def workspace_of(attempt: AttemptFolder) -> Workspace:
    """Return the workspace that an attempt lies in: `<workspace>/runs/<id>/attempts/<n>`."""
    return Workspace(attempt.path.parents[3])


def _last_single(path: Path, record: SlurmRecord) -> Job | None:
    cached = _single.get((path, record.job_id))
    return cached[1].job if cached else None


def _current(path: Path, since: float) -> _Listing:
    listing = _read(path)
    if listing.is_fresh(since):
        return listing
    with _asking(path) as is_ours:
        if not is_ours:  # another process asks; what it asked last will do until then
            return listing
        listing = _read(path)
        if listing.is_fresh(since):
            return listing
        try:
            listing = _Listing(time.time(), "", _ask_for_all())
        except NoAnswer as error:
            listing = _Listing(time.time(), str(error), listing.jobs)
        _write(path, listing)
    return listing


@contextlib.contextmanager
def _asking(path: Path) -> Iterator[bool]:
    """Whether this process is the one that asks. Where there is no lock to be had, every one asks."""
    with contextlib.ExitStack() as stack:
        try:
            lock = open_lock(path.with_suffix(".lock"))
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass
        yield True


def _ask_for_all() -> dict[str, Job]:
    argv = ["squeue", "--noheader", "--states=all", "--array", f"--format={_LINE}", f"--user={os.getuid()}"]
    reply = call(argv)
    if reply.code != 0:
        raise NoAnswer(message(reply, "squeue"))
    jobs = {}
    for line in reply.output.splitlines():
        fields = line.strip().split("|")
        if len(fields) >= 5:
            jobs[fields[0]] = Job(fields[1], _text(fields[2]), fields[3], fields[4])
    return jobs


def _ask_for_one(record: SlurmRecord) -> Job:
    cluster = on_cluster(record.cluster)
    reply = call(["scontrol", *cluster, "--oneliner", "show", "job", record.job_id])
    if reply.code == 0:
        return Job(
            _field(reply, "JobState"), _field(reply, "Reason"), _field(reply, "TimeLimit"), _field(reply, "NodeList")
        )
    if not reply.is_unknown_job:
        raise NoAnswer(message(reply, "scontrol"))
    job = _ask_accounting(record.job_id, cluster)
    array, task, _ = record.job_id.partition("_")
    if job.state == UNKNOWN and task and call(["scontrol", *cluster, "--oneliner", "show", "job", array]).code == 0:
        return Job(UNKNOWN, TAKEN_OUT)
    return job


def _ask_accounting(job_id: str, cluster: list[str]) -> Job:
    """Ask accounting, where it is kept, for a job that the controller has forgotten."""
    if shutil.which("sacct") is None:
        return Job(UNKNOWN)
    flags = ["--noheader", "--parsable2", "--allocations", "--format=State,Timelimit,NodeList"]
    reply = call(["sacct", *cluster, *flags, f"--jobs={job_id}"])
    if reply.code != 0 and _DISABLED not in reply.error:
        raise NoAnswer(message(reply, "sacct"))
    fields = reply.output.strip().splitlines()[:1]
    if reply.code != 0 or not fields:
        return Job(UNKNOWN)
    state, limit, nodes, *_ = [*fields[0].split("|"), "", "", ""]
    word = state.split(" ")[0]  # CANCELLED by 1000
    # The controller knows of no such job, so one that has not ended there has got lost.
    return Job(UNKNOWN if word in ("", "PENDING", "RUNNING", "REQUEUED") else word, "", limit, nodes)


def _field(reply: Reply, name: str) -> str:
    match = re.search(rf"(?<![A-Za-z]){name}=(\S*)", reply.output)
    return _text(match[1]) if match else ""


def _text(word: str) -> str:
    return "" if word in ("(null)", "None", "N/A", "none") else word


def _read(path: Path) -> _Listing:
    try:
        file_stat = path.stat()
    except OSError:
        stamp = (0, 0)
    else:
        stamp = (file_stat.st_mtime_ns, file_stat.st_ino)
    known = _listings.get(path)
    if known is not None and (known[0] == stamp or stamp == (0, 0)):
        return known[1]
    listing = _parse(read_json(str(path)) or {})
    _listings[path] = (stamp, listing)
    return listing


def _parse(record: dict[str, Any]) -> _Listing:
    try:
        jobs = {str(job_id): Job(**fields) for job_id, fields in record.get("jobs", {}).items()}
        return _Listing(float(record.get("asked_at", 0.0)), str(record.get("error", "")), jobs)
    except (TypeError, ValueError, AttributeError):
        return _Listing()


def _write(path: Path, listing: _Listing) -> None:
    """Write a listing for other processes, and keep it for this one where the workspace cannot be written."""
    record = {"asked_at": listing.asked_at, "error": listing.error}
    jobs = {job_id: asdict(job) for job_id, job in listing.jobs.items()}
    stamp = (0, 0)
    with contextlib.suppress(OSError):
        write_json(str(path), {**record, "jobs": jobs}, durable=False)
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
    _listings[path] = (stamp, listing)
