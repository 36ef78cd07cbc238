"""The queue: which runs wait and why, which devices are leased, and the order."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.formatting import size
from app.launching.adopt import ForeignRun, adopt, foreign_runs
from app.workspace.run_names import find_ids, read_name
from engine.contracts.attempt_records import LaunchRecord, ProcessRecord, QueueRecord, SlurmRecord, WaitingRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder, Workspace
from engine.contracts.spec import Resources
from engine.contracts.states import RunState
from engine.files.json_records import write_json
from engine.runner.waiting.leases import Leases, read_place
from engine.supervise.lanes import lease_folder
from engine.supervise.launch.start_records import signal_own_process
from engine.supervise.slurm.hold import hold_job, release_job
from engine.supervise.slurm.state_text import HELD_BY_USER, why_it_waits
from engine.supervise.state.process_facts import identity_of
from engine.supervise.state.status import LAUNCHED_ELSEWHERE, read_state
from engine.supervise.stop import request_stop

_SECONDS = 3.0
"""Time for a runner to notice that its run is held; it checks once a second."""
_STEP = 1e-6
_PARENTS = "waits for "
_HELD_AT_SLURM = why_it_waits("PENDING", HELD_BY_USER)


@dataclass(frozen=True)
class QueuedRun:
    """A run that waits."""

    id: str
    name: str
    attempt: int
    reason: str
    needs: str
    """The resources that it reserves, as text; empty for none."""
    priority: int
    position: float
    held: bool
    not_before: float
    """When it may start, in seconds since 1970; 0 for any time."""
    since: datetime | None


@dataclass(frozen=True)
class LeaseView:
    """A device that a run holds a lease on, in any workspace."""

    device: str
    run: str
    pid: int
    attempt: str
    memory: int
    """Bytes reserved on a shared device; 0 for exclusive use."""


def queued_runs(workspace: Workspace) -> list[QueuedRun]:
    """List the queued runs of a workspace, in the order in which they start."""
    waiting = []
    for folder in workspace.run_folders():
        attempts = folder.attempts()
        if not attempts or attempts[-1].outcome.exists():
            continue
        status = read_state(folder, attempts[-1])
        if status.state is RunState.QUEUED:
            waiting.append(_view(folder.id, read_name(folder).name, attempts[-1], status.reason))
    return sorted(waiting, key=lambda run: (-run.priority, run.position, run.id))


def leases_here() -> list[LeaseView]:
    """List the devices that runs of this user hold leases on, in every workspace."""
    folder = lease_folder()
    if not folder.is_dir():
        return []
    devices = [name for name in os.listdir(folder) if re.fullmatch(r"(gpu|cpu)-(\d+|MIG-[\w-]+)", name)]
    entries = []
    with contextlib.suppress(OSError):
        leases = Leases(str(folder))
        with leases.locked():
            for device in sorted(devices, key=_device_order):
                entries += [
                    LeaseView(device, holder.name, holder.pid, holder.attempt, holder.memory)
                    for holder in leases.holders(device)
                ]
    return entries


def _device_order(name: str) -> tuple[bool, bool, int, str]:
    """GPUs by index, then MIG instances, then the CPU lane."""
    number = name[4:]
    return name.startswith("cpu"), not number.isdecimal(), int(number) if number.isdecimal() else 0, number


def hold_runs(workspace: Workspace, reference: str) -> list[str]:
    """Keep a run, or the queued runs of a group, from starting until they are released.

    Returns:
        The names of the held runs.

    Raises:
        YoloqatError: none of the runs is queued, or one has started meanwhile.
    """
    names = []
    for run in _waiting(workspace, reference, "held"):
        attempt = workspace.run(run.id).attempt(run.attempt)
        job = SlurmRecord.read(attempt.slurm)
        if job is not None:
            hold_job(attempt, job)
            names.append(run.name)
            continue
        _write(attempt, _place(run, held=True))
        _await_hold(workspace, run)
        names.append(run.name)
    return names


def release_runs(workspace: Workspace, reference: str, accept: Callable[[ForeignRun], bool] | None = None) -> list[str]:
    """Let held runs take their turn in the queue again, and start those that were launched elsewhere.

    A run that waits for a time, the start that a user has chosen or the pause before a retry, takes its turn now.

    Args:
        accept: decides whether a run that was launched elsewhere is started, once it has shown what that would start.
            Without it such a run is an error.

    Returns:
        The names of the runs that were released.

    Raises:
        YoloqatError: none of the runs is queued, none of them is held, or one that was launched elsewhere cannot be
            started here.
    """
    waiting = _waiting(workspace, reference, "released")
    foreign_ids = [run.id for run in waiting if run.reason == LAUNCHED_ELSEWHERE]
    if foreign_ids and accept is None:
        raise YoloqatError(
            f"{reference} was launched elsewhere",
            hint=f"`yoloqat release {reference}` in a shell shows its command line and starts it.",
        )
    started = []
    for foreign in foreign_runs(workspace, foreign_ids) if foreign_ids else []:
        if accept is not None and accept(foreign):
            _let_go(workspace, next(run for run in waiting if run.id == foreign.id))
            adopt(workspace, foreign)
            started.append(foreign.name)
    held = [run for run in waiting if run.id not in foreign_ids and _waits_for_release(run)]
    if foreign_ids and not held:
        return started
    if not held:
        raise YoloqatError(f"{reference} is not held", hint="`yoloqat queue` shows what is.")
    for run in held:
        _let_go(workspace, run)
    return [*started, *(run.name for run in held)]


def _waits_for_release(run: QueuedRun) -> bool:
    return run.held or run.not_before > time.time() or run.reason == _HELD_AT_SLURM


def _let_go(workspace: Workspace, run: QueuedRun) -> None:
    attempt = workspace.run(run.id).attempt(run.attempt)
    job = SlurmRecord.read(attempt.slurm)
    if job is not None:
        release_job(attempt, job)
    _write(attempt, _place(run if run.held else replace(run, not_before=0.0), held=False))


def cancel_runs(workspace: Workspace, reference: str) -> list[str]:
    """Take queued runs out of the queue. Runs that have started are left alone.

    Raises:
        YoloqatError: none of the runs is queued.
    """
    waiting = _waiting(workspace, reference, "cancelled")
    # Children first: a queued child would otherwise end as `dependency failed`.
    for run in sorted(waiting, key=lambda run: run.id, reverse=True):
        request_stop(workspace.run(run.id).attempt(run.attempt))
    return [run.name for run in waiting]


def move_runs(workspace: Workspace, reference: str, *, before: str | None = None, last: bool = False) -> list[str]:
    """Move a run, or the queued runs of a group, to the front of the queue, to its end, or before another run.

    Permutes the places that exist, so runs that are launched later still come later.

    Args:
        before: a queued run; None moves to the front, or to the end with `last`.

    Returns:
        The names of all queued runs, in their new order.

    Raises:
        YoloqatError: none of the runs is queued, or `before` is not.
    """
    moved = _waiting_here(workspace, reference, "moved")
    rest = [run for run in queued_runs(workspace) if run.id not in {run.id for run in moved}]
    at = len(rest) if last else 0
    if before is not None:
        target = _waiting_here(workspace, before, "moved to")[0]
        if target.id in {run.id for run in moved}:
            raise YoloqatError(f"{target.name} cannot be moved before itself", where="--before")
        at = [run.id for run in rest].index(target.id)
    order = [*rest[:at], *moved, *rest[at:]]
    for run, (priority, position) in zip(order, _places(order), strict=True):
        if (run.priority, run.position) != (priority, position):
            attempt = workspace.run(run.id).attempt(run.attempt)
            _write(attempt, _place(replace(run, priority=priority, position=position), held=run.held))
    return [run.name for run in order]


def needs_text(resources: Resources, cpu_lane: int) -> str:
    """`GPU 0`, `any GPU, 6.0 GB`, `2 GPUs`, `CPU lane`; empty for nothing."""
    parts = []
    if isinstance(resources.gpus, list):
        parts += [f"GPU {', '.join(resources.gpus)}"] if resources.gpus else []
    elif resources.gpus:
        parts.append("any GPU" if resources.gpus == 1 else f"{resources.gpus} GPUs")
    if resources.memory and parts:
        parts.append(size(resources.memory))
    if resources.cpu and cpu_lane:
        parts.append("CPU lane")
    return ", ".join(parts)


def _view(run_id: str, name: str, attempt: AttemptFolder, reason: str) -> QueuedRun:
    place = read_place(str(attempt.path))
    launch = LaunchRecord.read(attempt.launch)
    waiting = WaitingRecord.read(attempt.waiting)
    return QueuedRun(
        id=run_id,
        name=name,
        attempt=attempt.number,
        reason=reason,
        needs=needs_text(launch.resources, launch.cpu_lane) if launch else "",
        priority=place.priority,
        position=place.position,
        held=place.held,
        not_before=place.not_before,
        since=waiting.since if waiting else None,
    )


def _waiting(workspace: Workspace, reference: str, verb: str) -> list[QueuedRun]:
    """Return the queued runs of a run or group, in the order of the queue.

    Raises:
        YoloqatError: none of them is queued.
    """
    ids = find_ids(workspace, reference)
    waiting_runs = [run for run in queued_runs(workspace) if run.id in ids]
    if not waiting_runs:
        status = read_state(workspace.run(ids[0]))
        state = "nothing of it waits" if len(ids) > 1 else f"it is {status.state.value}"
        live = any(read_state(workspace.run(run_id)).state.is_live for run_id in ids)
        raise YoloqatError(
            f"{reference} cannot be {verb}: {state}",
            hint=f"`yoloqat stop {reference}` stops it." if live else "`yoloqat queue` shows what waits.",
        )
    return waiting_runs


def _waiting_here(workspace: Workspace, reference: str, verb: str) -> list[QueuedRun]:
    """As `_waiting`, for runs of the local queue: Slurm orders its own.

    Raises:
        YoloqatError: none of them is queued, or one of them is queued at Slurm.
    """
    waiting_runs = _waiting(workspace, reference, verb)
    jobs = [SlurmRecord.read(workspace.run(run.id).attempt(run.attempt).slurm) for run in waiting_runs]
    ids = " ".join(job.job_id for job in jobs if job is not None)
    if ids:
        raise YoloqatError(
            f"{reference} cannot be {verb}: Slurm decides when it starts",
            hint=f"`scontrol top {ids}` and `scontrol update jobid=… nice=…` do the like at Slurm.",
        )
    return waiting_runs


def _places(order: Sequence[QueuedRun]) -> list[tuple[int, float]]:
    """Return the current places of these runs, first in the queue first, all distinct."""
    places: list[tuple[int, float]] = []
    for run in sorted(order, key=lambda run: (-run.priority, run.position)):
        position = run.position
        if places and places[-1][0] == run.priority:
            position = max(position, places[-1][1] + _STEP)
        places.append((run.priority, position))
    return places


def _place(run: QueuedRun, *, held: bool) -> QueueRecord:
    return QueueRecord(priority=run.priority, position=run.position, held=held, not_before=run.not_before)


def _write(attempt: AttemptFolder, place: QueueRecord) -> None:
    try:
        write_json(str(attempt.queue), place.model_dump(mode="json"))
    except OSError as error:
        raise YoloqatError(f"the queue cannot be changed: {error.strerror}", where=str(attempt.queue)) from error
    process = ProcessRecord.read(attempt.process)
    if process is not None:
        # SIGCHLD wakes the runner from its wait; it finds no ended child and reads its place again, without the second
        # that it would otherwise sleep.
        signal_own_process(attempt, identity_of(process.runner), signal.SIGCHLD)


def _await_hold(workspace: Workspace, run: QueuedRun) -> None:
    """Wait until the runner has seen the hold; raise where the run has started at that very moment."""

    def state() -> tuple[RunState, str]:
        status = read_state(workspace.run(run.id))
        return status.state, status.reason

    if _until(lambda: state()[0] is not RunState.QUEUED or state()[1].startswith(("held", _PARENTS))):
        reached = state()[0]
        if reached not in (RunState.QUEUED, RunState.STARTING):
            raise YoloqatError(f"{run.name} cannot be held: it is {reached.value}", hint="`yoloqat pause` ends it.")


def _until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _SECONDS
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
