"""Restore the queue: start runners for queued runs that have none, and queue paused runs again."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from app.launching.requeue_paused import requeue_paused_run
from engine.contracts.errors import YoloqatError
from engine.contracts.index_folder import may_write
from engine.contracts.run_folder import Workspace
from engine.runner.start_record import started_attempts
from engine.supervise.requeue import paused_and_ended, queued_without_runner, relaunch


def requeue(workspace: Workspace) -> int:
    """Start runners for runs that were queued when the machine went down or their runner was killed.

    An open screen, every launch, and the commands of the queue (`queue`, `hold`, `release`, `move`, `resume`) call it;
    commands that only read do not.

    Returns:
        The number of runners started.
    """
    if not may_write(str(workspace.runs)):
        return 0
    for attempt in paused_and_ended(workspace):
        # The runner failed to do it. If another command does it at this moment, this one yields.
        with contextlib.suppress(YoloqatError):
            requeue_paused_run(attempt)
    started = 0
    for attempt in queued_without_runner(workspace):
        try:
            relaunch(attempt)
            started += 1
        except YoloqatError:
            # Another command was faster, or the start failed: the run stays queued, runner.log says why, and the
            # next command tries again.
            continue
    return started


def requeue_all() -> Iterator[tuple[Path, int]]:
    """Restore the queue of every workspace that this user has launched from on this machine.

    Yields:
        The workspace's folder and the number of runners started, where there are any.
    """
    workspaces = {Path(attempt).parents[3] for attempt in started_attempts() if len(Path(attempt).parents) > 3}
    for path in sorted(workspaces):
        started = requeue(Workspace(path, "known from its runs")) if path.is_dir() else 0
        if started:
            yield path, started
