"""Resume runs: create a new attempt of a run that was stopped, failed, was killed or lost."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from app.launching.next_command import command_with_engine, engine_of, from_the_beginning, next_command
from app.workspace.run_names import find_id, find_ids, read_name
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder, RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.runner.waiting.leases import read_place
from engine.supervise.launch.launch import launch, launch_held
from engine.supervise.requeue import release_children
from engine.supervise.state.status import read_state

PAUSED = "paused: `yoloqat resume` continues it"
"""Why it waits."""


@dataclass(frozen=True)
class Resumed:
    """A new attempt."""

    run_id: str
    name: str
    attempt: int
    checkpoint: Path | None
    """The checkpoint that it resumes from; None when it restarts from the beginning."""


def resume_run(
    workspace: Workspace, reference: str, *, anew: bool = False, engine_python: str | None = None
) -> Resumed:
    """Start the next attempt of a run: from its last checkpoint, or from the beginning where its stage keeps none.

    Children that ended as `dependency failed` wait for it again.

    Args:
        reference: name, id or a prefix of the id.
        anew: restart from the beginning, with the command line of the first attempt.
        engine_python: the Python that runs a stage of ours; that of the attempt before when None.

    Raises:
        YoloqatError: the run is live, has succeeded, or cannot be resumed; the error says why.
    """
    folder = workspace.run(find_id(workspace, reference))
    spec = RunSpec.read(folder.spec)
    name = read_name(folder).name
    status = read_state(folder)
    if spec.source != "launched":
        raise YoloqatError(f"cannot resume {name}: it was {spec.source}, not launched here", where=str(folder.path))
    if is_held(folder) and not anew:
        return _release(workspace, folder, name, status.attempt)
    if status.state.is_live:
        raise YoloqatError(f"{name} is {status.state.value}", hint="Only ended runs can be resumed.")
    if status.state is RunState.SUCCEEDED:
        raise YoloqatError(f"{name} has succeeded: there is nothing to resume")
    engine = engine_of(folder, spec, engine_python)
    if engine is not None:
        engine.check()
    argv, checkpoint = (from_the_beginning(spec, engine), None) if anew else command_with_engine(folder, spec, engine)
    attempt = start_attempt(workspace, spec, status.attempt + 1, argv)
    return Resumed(folder.id, name, attempt.number, checkpoint)


def start_attempt(
    workspace: Workspace, spec: RunSpec, number: int, argv: list[str] | None, *, paused: bool = False
) -> AttemptFolder:
    """Start the next attempt of a run, and restart the children that the attempt before let fail.

    Args:
        paused: hold the attempt in the queue until it is released.

    Raises:
        YoloqatError: the attempt cannot be launched.
    """
    if paused:
        launch_held(workspace, spec, attempt=number, argv=argv, why=PAUSED)
    else:
        launch(workspace, spec, attempt=number, argv=argv)
    release_children(workspace, spec.id)
    return workspace.run(spec.id).attempt(number)


def resume_group(
    workspace: Workspace, reference: str, *, anew: bool = False, engine_python: str | None = None
) -> list[Resumed]:
    """Resume every run of a group that has ended without success, parents first; or a single run.

    Raises:
        YoloqatError: there is nothing to resume, or as for `resume_run`.
    """
    ids = find_ids(workspace, reference)
    if len(ids) > 1:
        states = {run_id: read_state(workspace.run(run_id)).state for run_id in ids}
        ids = [run_id for run_id in ids if states[run_id] is not RunState.SUCCEEDED and _may_resume(workspace, run_id)]
        if not ids:
            raise YoloqatError(f"every run of {reference} is live or has succeeded: there is nothing to resume")
    if len(ids) == 1:
        return [resume_run(workspace, ids[0], anew=anew, engine_python=engine_python)]
    # A child of a run that was just resumed is live already: the parent restarted it.
    return [
        resume_run(workspace, run_id, anew=anew, engine_python=engine_python)
        for run_id in ids
        if _may_resume(workspace, run_id)
    ]


def is_held(folder: RunFolder) -> bool:
    """Whether a run is queued and held, as a paused run is."""
    status = read_state(folder)
    return status.state is RunState.QUEUED and read_place(str(folder.attempt(status.attempt).path)).held


def _may_resume(workspace: Workspace, run_id: str) -> bool:
    folder = workspace.run(run_id)
    return not read_state(folder).state.is_live or is_held(folder)


def _release(workspace: Workspace, folder: RunFolder, name: str, attempt: int) -> Resumed:
    """Release the queued attempt of a paused run."""
    from app.launching.queue import release_runs

    checkpoint = None
    with contextlib.suppress(YoloqatError):
        _, checkpoint = next_command(folder, RunSpec.read(folder.spec))
    release_runs(workspace, folder.id)
    release_children(workspace, folder.id)  # Slurm removed them from its queue when the previous attempt ended
    return Resumed(folder.id, name, attempt, checkpoint)
