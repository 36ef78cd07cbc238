"""Stopping runs."""

from app.services.names import find_id
from engine.contracts.run_folder import Workspace
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


def run_status(workspace: Workspace, run_id: str) -> RunStatus:
    """The state of a run as its processes and files show it now, without the store."""
    return read_state(workspace.run(run_id))
