"""Queued again: what a reboot took out of the queue, and what waits for a run that is tried again."""

import contextlib
import os

from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.process import LaunchRecord
from engine.contracts.run_folder import AttemptFolder, RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.runner import wait
from engine.supervise.launch import launch, start_runner
from engine.supervise.state import AFTER_REBOOT, read_state


def release_children(workspace: Workspace, run_id: str) -> list[AttemptFolder]:
    """Give a new attempt to every run that could not run because of this one, and so on to the last.

    Call it once the parent's next attempt is launched: the children wait for that one. A child that another parent
    still keeps from running is left as it is.

    Returns:
        The new attempts, parents first.

    Raises:
        YoloqatError: one of them cannot be launched.
    """
    children: dict[str, list[RunSpec]] = {}
    for spec in _specs(workspace):
        for parent in spec.parents:
            children.setdefault(parent, []).append(spec)
    released: list[AttemptFolder] = []
    frontier = [run_id]
    while frontier:
        spec_ids = {spec.id: spec for parent in frontier for spec in children.get(parent, ())}
        frontier = []
        for spec in spec_ids.values():
            attempt = _release(workspace, spec)
            if attempt is not None:
                released.append(attempt)
                frontier.append(spec.id)
    return released


def queued_before_reboot(workspace: Workspace) -> list[AttemptFolder]:
    """Attempts that waited when the machine went down, in the order of their launch."""
    found = []
    for folder in sorted(workspace.run_folders(), key=lambda folder: folder.id):
        attempts = folder.attempts()
        if not attempts or attempts[-1].outcome.exists():
            continue
        status = read_state(folder, attempts[-1])
        if status.state is RunState.QUEUED and status.reason == AFTER_REBOOT:
            found.append(attempts[-1])
    return found


def relaunch(attempt: AttemptFolder) -> None:
    """Start the runner of such an attempt again, in the environment that it was launched in as far as it is known.

    Raises:
        YoloqatError: it cannot be started; it stays queued.
    """
    record = LaunchRecord.read(attempt.launch)
    start_runner(attempt, record.provenance.environment if record else {})


def _release(workspace: Workspace, spec: RunSpec) -> AttemptFolder | None:
    """The new attempt of a run whose outcome is `dependency failed`, if nothing keeps it from running any more."""
    folder = workspace.run(spec.id)
    attempts = folder.attempts()
    if attempts and attempts[-1].slurm.exists():
        read_state(folder, attempts[-1])  # Slurm may have given it up, and nobody have seen it yet
    outcome = Outcome.read(attempts[-1].outcome) if attempts else None
    if outcome is None or outcome.kind is not OutcomeKind.DEPENDENCY_FAILED:
        return None
    parents = [{"name": parent, "path": str(workspace.run(parent).path)} for parent in spec.parents]
    if wait.judge(parents)[0] == wait.FAILED:
        return None
    before = LaunchRecord.read(attempts[-1].launch)
    return launch(
        workspace,
        spec,
        attempt=attempts[-1].number + 1,
        argv=before.argv if before else None,
        grace=before.grace if before else None,
    )


def _specs(workspace: Workspace) -> list[RunSpec]:
    """The specifications of all runs that can be read, oldest first."""
    specs = []
    for folder in sorted(workspace.run_folders(), key=lambda folder: folder.id):
        if _may_have_parents(folder):
            with contextlib.suppress(YoloqatError):
                specs.append(RunSpec.read(folder.spec))
    return specs


def _may_have_parents(folder: RunFolder) -> bool:
    """Reading all of a thousand specifications would take seconds; most have no parents."""
    try:
        return b"\nparents: []" not in folder.spec.read_bytes()
    except OSError:
        return os.path.isfile(folder.spec)
