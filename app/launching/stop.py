"""Stop and pause runs."""

from app.workspace.run_names import find_id
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import AFTER_EPOCH, AT_CHECKPOINT, RunState
from engine.supervise.state.status import RunStatus, read_state
from engine.supervise.stop import request_stop


def stop_run(workspace: Workspace, reference: str, *, now: bool = False) -> bool:
    """Ask the runner to stop a run: SIGINT, SIGTERM after 20 s, SIGKILL after 10 s more. Returns at once.

    Args:
        reference: name, id or a prefix of the id.
        now: skip to the next signal.

    Returns:
        False when the run had ended already.

    Raises:
        YoloqatError: the run does not exist, or the request cannot be written.
    """
    attempts = workspace.run(find_id(workspace, reference)).attempts()
    if not attempts:
        return False
    attempts[-1].pause.unlink(missing_ok=True)  # a stop overrides a pause: the run is not queued again
    return request_stop(attempts[-1], now=now)


def end_after_epoch(workspace: Workspace, reference: str) -> None:
    """Ask a training of ours to end once the current epoch is validated and saved. Returns at once.

    Raises:
        YoloqatError: the run does not exist or is not running, or its stage does not support this.
    """
    folder = workspace.run(find_id(workspace, reference))
    status = read_state(folder)
    if status.state not in (RunState.RUNNING, RunState.STARTING):
        raise YoloqatError(f"it is {status.state.value}: no epoch is in progress", where=folder.id)
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
    """Whether a run supports ending after an epoch."""
    return spec.source == "launched" and "resume" in spec.options


def pause_run(workspace: Workspace, reference: str) -> str:
    """End a run at a checkpoint and queue it again, held; when it is released, it resumes from there.

    One of our trainings ends after the epoch that it is in, a foreign one once it has written its next checkpoint. A
    stage without checkpoints is stopped at once and restarts from the beginning. A queued run is held.

    Returns:
        What was requested, as text.

    Raises:
        YoloqatError: the run has ended, cannot be resumed, or the request cannot be written.
    """
    from app.launching.next_command import next_checkpoint
    from app.launching.queue import hold_runs
    from app.launching.requeue_paused import write_pause_request

    folder = workspace.run(find_id(workspace, reference))
    status, spec = read_state(folder), RunSpec.read(folder.spec)
    if not status.state.is_live:
        raise YoloqatError(f"it is {status.state.value}: there is nothing to pause", where=folder.id)
    attempt = folder.attempt(status.attempt)
    if status.state is RunState.QUEUED:
        hold_runs(workspace, folder.id)
        return "held in the queue"
    if can_end_after_epoch(spec):
        write_pause_request(attempt)
        end_after_epoch(workspace, folder.id)
        return AFTER_EPOCH
    checkpoint = next_checkpoint(folder, spec)
    if checkpoint is not None and status.runner_alive:
        write_pause_request(attempt, checkpoint)
        return AT_CHECKPOINT
    write_pause_request(attempt)
    request_stop(attempt)
    return "asked to stop"


def run_status(workspace: Workspace, run_id: str) -> RunStatus:
    """Return the state of a run from its processes and files, without the index."""
    return read_state(workspace.run(run_id))
