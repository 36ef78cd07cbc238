"""Stopping runs."""

from app.services.names import find_id
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import AFTER_EPOCH, RunState
from engine.supervise.state import RunStatus, read_state
from engine.supervise.stop import request_stop


def stop_run(workspace: Workspace, reference: str, *, now: bool = False) -> bool:
    """Ask the runner to stop a run: SIGINT, SIGTERM after 20 s, SIGKILL after 10 s more. Returns at once.

    Args:
        reference: name, id or a prefix of the id.
        now: skip to the next signal.

    Returns:
        False when there was nothing left to stop.

    Raises:
        YoloqatError: there is no such run, or it cannot be asked.
    """
    attempts = workspace.run(find_id(workspace, reference)).attempts()
    return bool(attempts) and request_stop(attempts[-1], now=now)


def end_after_epoch(workspace: Workspace, reference: str) -> None:
    """Ask one of our trainings to end once the epoch that it is in is validated and saved. Returns at once.

    Raises:
        YoloqatError: there is no such run, it is not at work, or it cannot be asked that.
    """
    folder = workspace.run(find_id(workspace, reference))
    status = read_state(folder)
    if status.state not in (RunState.RUNNING, RunState.STARTING):
        raise YoloqatError(f"it is {status.state.value}: no epoch is under way", where=folder.id)
    if not can_end_after_epoch(RunSpec.read(folder.spec)):
        raise YoloqatError(
            "only our own trainings, retrain and qat, can be asked to end after an epoch",
            where=folder.id,
            hint="`yoloqat stop` interrupts it at once; what it has saved stays.",
        )
    try:
        folder.stop_after_epoch.touch()
    except OSError as error:
        raise YoloqatError(f"cannot ask for the end: {error.strerror}", where=str(folder.stop_after_epoch)) from error


def can_end_after_epoch(spec: RunSpec) -> bool:
    """Whether a run has epochs after which it can be asked to end."""
    return "resume" in spec.options


def pause_run(workspace: Workspace, reference: str) -> str:
    """End a run so that it can be resumed: after the epoch where it has any, else by the signals of a stop.

    Returns:
        What was asked of it, in words.

    Raises:
        YoloqatError: as `end_after_epoch` and `stop_run`.
    """
    folder = workspace.run(find_id(workspace, reference))
    running = read_state(folder).state is RunState.RUNNING
    if running and can_end_after_epoch(RunSpec.read(folder.spec)):
        end_after_epoch(workspace, folder.id)
        return AFTER_EPOCH
    return "asked to stop" if stop_run(workspace, folder.id) else "nothing to pause"


def run_status(workspace: Workspace, run_id: str) -> RunStatus:
    """The state of a run as its processes and files show it now, without the store."""
    return read_state(workspace.run(run_id))
