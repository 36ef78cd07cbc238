"""The queue survives: what waits without a runner gets another one, what was paused is put back."""

import contextlib

from app.launching.requeue_paused import requeue_paused_run
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.supervise.requeue import paused_and_ended, queued_without_runner, relaunch


def requeue(workspace: Workspace) -> int:
    """Start the runners of what waited when the machine went down or its runner was killed.

    An open screen, every launch, and the commands of the queue (`queue`, `hold`, `release`, `move`, `resume`) call it;
    commands that only read do not.

    Returns:
        How many were started.
    """
    for attempt in paused_and_ended(workspace):
        # Its runner could not do it; where another command is at it at this moment, that one does it.
        with contextlib.suppress(YoloqatError):
            requeue_paused_run(attempt)
    started = 0
    for attempt in queued_without_runner(workspace):
        try:
            relaunch(attempt)
            started += 1
        except YoloqatError:
            # Another command was faster, or it cannot be started: then it stays queued, runner.log says why, and the
            # next command tries again.
            continue
    return started
