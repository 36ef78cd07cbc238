"""Resuming: a new attempt of a run that was stopped, failed, was killed or lost."""

from dataclasses import dataclass
from pathlib import Path

from app.services.names import find_id, find_ids, read_name
from app.services.resume_command import resume_command
from engine.contracts.errors import YoloqatError
from engine.contracts.options.arguments import validate
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.stages import stage_info
from engine.contracts.states import RunState
from engine.supervise.commands import engine_command
from engine.supervise.launch import launch
from engine.supervise.requeue import release_children
from engine.supervise.state import read_state


@dataclass(frozen=True)
class Resumed:
    """A new attempt."""

    run_id: str
    name: str
    attempt: int
    checkpoint: Path | None
    """Where it goes on; None when it begins anew."""


def resume_run(workspace: Workspace, reference: str, *, anew: bool = False) -> Resumed:
    """Start the next attempt of a run: from its last checkpoint, or from the beginning where its stage keeps none.

    Runs that could not run because of this one wait for it again.

    Args:
        reference: name, id or a prefix of the id.
        anew: begin anew in any case, with the command line of the first attempt.

    Raises:
        YoloqatError: it lives or has succeeded, or it cannot be resumed; says why.
    """
    folder = workspace.run(find_id(workspace, reference))
    spec = RunSpec.read(folder.spec)
    name = read_name(folder).name
    status = read_state(folder)
    if spec.source != "launched":
        raise YoloqatError(f"cannot resume {name}: it was {spec.source}, not launched here", where=str(folder.path))
    if status.state.is_live:
        raise YoloqatError(f"{name} is {status.state.value}", hint="Only what has ended can be resumed.")
    if status.state is RunState.SUCCEEDED:
        raise YoloqatError(f"{name} has succeeded: there is nothing to resume")
    argv, checkpoint = (None, None) if anew else next_command(folder, spec)
    attempt = launch(workspace, spec, attempt=status.attempt + 1, argv=argv)
    release_children(workspace, folder.id)
    return Resumed(folder.id, name, attempt.number, checkpoint)


def resume_group(workspace: Workspace, reference: str, *, anew: bool = False) -> list[Resumed]:
    """Resume every run of a group that has ended without success, parents first; or the one run that is meant.

    Raises:
        YoloqatError: nothing is left to resume, or as `resume_run`.
    """
    ids = find_ids(workspace, reference)
    if len(ids) > 1:
        states = {run_id: read_state(workspace.run(run_id)).state for run_id in ids}
        ids = [run_id for run_id in ids if not (states[run_id].is_live or states[run_id] is RunState.SUCCEEDED)]
        if not ids:
            raise YoloqatError(f"every run of {reference} is at work or has succeeded: there is nothing to resume")
    resumed = []
    for run_id in ids:
        if not read_state(workspace.run(run_id)).state.is_live:  # else its parent has released it
            resumed.append(resume_run(workspace, run_id, anew=anew))
    return resumed


def next_command(folder: RunFolder, spec: RunSpec) -> tuple[list[str] | None, Path | None]:
    """The command line of the next attempt, None for the first one's; and the checkpoint that it starts from."""
    started = [attempt for attempt in folder.attempts() if attempt.console.exists() and attempt.console.stat().st_size]
    if not started:
        return None, None
    if spec.stage == COMMAND:
        found = resume_command(spec.command, Path(spec.cwd), started[-1].console)
        return found.argv, found.checkpoint
    info = stage_info(spec.stage)
    last = folder.weights / "last.pt"
    if "resume" not in info.options.model_fields or not last.is_file():
        return None, None
    options = validate(info.options, {**spec.options, "resume": True}, str(folder.spec))
    return engine_command(spec.stage, options, folder.path), last
