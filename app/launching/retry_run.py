"""Program, called with the attempt's folder by its runner: decides on a retry, and starts the next attempt.

The next attempt resumes from the last checkpoint, or restarts from the beginning where there is none, and waits in the
queue for its pause to pass.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

from app.launching.next_command import next_command
from engine.contracts.attempt_records import LaunchRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import AttemptFolder, RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.runner.waiting.leases import read_place
from engine.supervise.launch.launch import start_runner, write_attempt
from engine.supervise.retry import decide_retry, pause_before
from engine.supervise.retry_facts import collect_log_facts
from engine.supervise.state.process_facts import collect_process_facts
from engine.supervise.state.status import decide
from engine.supervise.stop import request_stop


def start_retry(attempt: AttemptFolder) -> bool:
    """Start the next attempt of a run that did not come to its end, if it is to be retried.

    Returns:
        False where it is not, or where a user has stopped it meanwhile.

    Raises:
        YoloqatError: the attempt cannot be written or started.
    """
    folder = RunFolder(attempt.path.parents[1])
    before = LaunchRecord.read(attempt.launch)
    if before is None or not attempt.retry.exists():
        return False
    facts = replace(collect_process_facts(folder, attempt), retry_pending=False)
    if facts.outcome is None:
        return False
    state, _ = decide(facts)
    verdict = decide_retry(state, facts.outcome, collect_log_facts(attempt), before.retry)
    if not verdict.is_retried:
        _say(f"not retried: {verdict.text}")
        return False
    retry = before.retry.model_copy(
        update={
            "number": before.retry.number + 1,
            "after": verdict.text,
            "has_run_out_of_memory": before.retry.has_run_out_of_memory or state is RunState.OUT_OF_MEMORY,
            "seconds_used": before.retry.seconds_used + (facts.outcome.seconds or 0.0),
        }
    )
    if before.time_limit and retry.seconds_used >= before.time_limit:
        _say("not retried: its time limit is reached")
        return False
    spec = RunSpec.read(folder.spec)
    following = write_attempt(
        Workspace(folder.path.parents[1]),
        spec,
        attempt=attempt.number + 1,
        argv=_next_argv(folder, spec),
        grace=before.grace,
        sample_seconds=before.sample_seconds,
        priority=read_place(str(attempt.path)).priority,
        not_before=time.time() + pause_before(retry),
        retry=retry,
    )
    is_stopped = not attempt.retry.exists()  # a stop came, and may not have seen the attempt that was created meanwhile
    if is_stopped:
        request_stop(following)  # its runner ends it before it starts
    start_runner(following)
    return not is_stopped


def _next_argv(folder: RunFolder, spec: RunSpec) -> list[str] | None:
    """Return the command line; None for that of the first attempt, where there is no checkpoint to resume from."""
    try:
        return next_command(folder, spec)[0]
    except YoloqatError as error:
        _say(f"{error.what}; restarting from the beginning")
        return None


def _say(text: str) -> None:
    print(f"yoloqat: {text}", file=sys.stderr)


def main(argv: list[str]) -> int:
    """Return the exit code: 0 when the next attempt has been started; the reason is on stderr otherwise."""
    try:
        return 0 if start_retry(AttemptFolder(Path(argv[0]))) else 1
    except (YoloqatError, OSError) as error:
        _say(f"cannot be retried: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
