"""Queued again: what has lost its runner while it waited, and what waits for a run that is tried again."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from engine.contracts.attempt_records import LaunchRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.outcome import Outcome, OutcomeKind
from engine.contracts.run_folder import AttemptFolder, RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.files.json_records import read_json
from engine.files.safe_open import YAML_BYTES, read_regular
from engine.runner.start_record import read_start_record
from engine.runner.waiting import dependencies
from engine.supervise.launch.launch import launch, start_runner
from engine.supervise.launch.start_records import may_start, start_environment
from engine.supervise.state.status import LAUNCHED_ELSEWHERE, WITHOUT_RUNNER, read_state

_SETTLED = ("outcome.json", "slurm.json")
"""With one of these, an attempt has ended, or Slurm keeps it queued."""


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


def queued_without_runner(workspace: Workspace) -> list[AttemptFolder]:
    """List the attempts that waited when the machine went down or their runner was killed, oldest first.

    Only those that this user launched on this machine: a workspace may have been sent, copied or restored.

    Cheap enough for every command: of what has ended, it looks at names of files alone.
    """
    return [attempt for attempt, reason in _waiting_without_runner(workspace) if reason in WITHOUT_RUNNER]


def _waiting_without_runner(workspace: Workspace) -> Iterator[tuple[AttemptFolder, str]]:
    """Yield attempts that wait without a runner, and why."""
    for run_id, newest in _newest_attempts(workspace):
        if any(os.path.exists(os.path.join(newest, name)) for name in _SETTLED):
            continue
        process = read_json(os.path.join(newest, "process.json"))
        if process is None or process.get("stage") is not None:
            continue
        attempt = AttemptFolder(Path(newest))
        status = read_state(workspace.run(run_id), attempt)
        if status.state is RunState.QUEUED and status.reason in (*WITHOUT_RUNNER, LAUNCHED_ELSEWHERE):
            yield attempt, status.reason


def queued_elsewhere(workspace: Workspace) -> list[AttemptFolder]:
    """List queued attempts without a runner that this user has not launched on this machine, oldest first."""
    return [attempt for attempt, reason in _waiting_without_runner(workspace) if reason == LAUNCHED_ELSEWHERE]


def paused_and_ended(workspace: Workspace) -> list[AttemptFolder]:
    """List the attempts that were paused and whose run is not back in the queue yet."""
    found = [AttemptFolder(Path(path)) for _, path in _newest_attempts(workspace) if _is_paused(path)]
    return [attempt for attempt in found if not read_state(RunFolder(attempt.path.parents[1]), attempt).state.is_live]


def _is_paused(attempt: str) -> bool:
    return os.path.exists(os.path.join(attempt, "pause.json"))


def _newest_attempts(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Return id and path of each run's newest attempt, oldest run first."""
    try:
        run_ids = sorted(os.listdir(workspace.runs))
    except OSError:
        return
    for run_id in run_ids:
        newest = dependencies.newest_attempt(os.path.join(workspace.runs, run_id))
        if newest is not None:
            yield run_id, newest


def relaunch(attempt: AttemptFolder) -> None:
    """Start the runner of such an attempt again, in the environment that it was launched in.

    Raises:
        YoloqatError: this user did not launch it here, or it cannot be started; it stays queued.
    """
    environment = start_environment(attempt)
    if environment is None or not may_start(attempt):
        raise YoloqatError(LAUNCHED_ELSEWHERE, where=str(attempt.path), hint="`yoloqat release` starts it.")
    start_runner(attempt, environment)


def _release(workspace: Workspace, spec: RunSpec) -> AttemptFolder | None:
    """Make a new attempt of a run whose outcome is `dependency failed`, if nothing keeps it from running any more."""
    folder = workspace.run(spec.id)
    attempts = folder.attempts()
    if attempts and attempts[-1].slurm.exists():
        read_state(folder, attempts[-1])  # Slurm may have given it up, and nobody have seen it yet
    outcome = Outcome.read(attempts[-1].outcome) if attempts else None
    if outcome is None or outcome.kind is not OutcomeKind.DEPENDENCY_FAILED:
        return None
    parents = [{"name": parent, "path": str(workspace.run(parent).path)} for parent in spec.parents]
    if dependencies.check_dependencies(parents)[0] == dependencies.FAILED:
        return None
    before = LaunchRecord.read(attempts[-1].launch)
    request = read_start_record(str(attempts[-1].path))
    return launch(
        workspace,
        spec,
        attempt=attempts[-1].number + 1,
        argv=request["argv"] if request else before.argv if before else None,
        grace=before.grace if before else None,
    )


def _specs(workspace: Workspace) -> list[RunSpec]:
    """Return the specifications of all runs that can be read, oldest first."""
    specs = []
    for folder in sorted(workspace.run_folders(), key=lambda folder: folder.id):
        if _may_have_parents(folder):
            with contextlib.suppress(YoloqatError):
                specs.append(RunSpec.read(folder.spec))
    return specs


def _may_have_parents(folder: RunFolder) -> bool:
    """Search the bytes of a specification for parents: parsing a thousand of them would take seconds, and most have
    none."""
    try:
        return b"\nparents: []" not in read_regular(folder.spec, YAML_BYTES)
    except OSError:
        return os.path.isfile(folder.spec)
