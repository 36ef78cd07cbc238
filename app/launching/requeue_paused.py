"""Program, called with the attempt's folder: queues a paused run again once its attempt has ended.

Started by its runner, so that it happens with nothing else alive. Every command does it where the runner couldn't.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from app.launching.next_command import next_command
from app.launching.resume import start_attempt
from app.workspace.run_names import read_name
from engine.contracts.attempt_records import PauseRequest
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder, RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.files.json_records import write_json
from engine.files.programs import module_command
from engine.runner.pause import REQUEUE_MODULE, stamp_of
from engine.supervise.state.status import read_state

_PUT_BACK = (RunState.STOPPED, RunState.ENDED, RunState.LOST)
"""An attempt that ended in another state keeps it: a pause must not hide a failure."""


def write_pause_request(attempt: AttemptFolder, checkpoint: Path | None = None) -> None:
    """Write the request to pause an attempt.

    Args:
        checkpoint: end the attempt once this file has been rewritten; None where the caller ends it.

    Raises:
        YoloqatError: it cannot be written.
    """
    request = PauseRequest(
        requested_at=datetime.now(UTC),
        command=module_command(REQUEUE_MODULE, str(attempt.path)),
        checkpoint=str(checkpoint) if checkpoint else "",
        stamp=stamp_of(str(checkpoint)) if checkpoint else None,
    )
    try:
        write_json(str(attempt.pause), request.model_dump(mode="json"))
    except OSError as error:
        raise YoloqatError(f"cannot ask for the pause: {error.strerror}", where=str(attempt.pause)) from error


def requeue_paused_run(attempt: AttemptFolder) -> bool:
    """Create the next attempt of a paused run from its last checkpoint, and queue it, held.

    Returns:
        True once the pause is complete; False while the run is live.

    Raises:
        YoloqatError: the run cannot be resumed, or another process is requeueing it.
    """
    folder = RunFolder(attempt.path.parents[1])
    status = read_state(folder)
    if status.attempt != attempt.number or not attempt.pause.exists():
        return True
    if status.state.is_live:
        return False
    if status.state not in _PUT_BACK:
        attempt.pause.unlink(missing_ok=True)
        return True
    spec = RunSpec.read(folder.spec)
    try:
        argv, _ = next_command(folder, spec)
    except YoloqatError:
        attempt.pause.unlink(missing_ok=True)
        raise
    start_attempt(Workspace(folder.path.parents[1]), spec, attempt.number + 1, argv, paused=True)
    return True


def main(argv: list[str]) -> int:
    """Return the exit code: 1, with the reason on stderr, when the run cannot be queued again."""
    attempt = AttemptFolder(Path(argv[0]))
    try:
        requeue_paused_run(attempt)
    except (YoloqatError, OSError) as error:
        print(f"{read_name(RunFolder(attempt.path.parents[1])).name} is not put back: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
