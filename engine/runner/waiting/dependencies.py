"""Waiting for the runs that this one needs."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.files.json_records import read_json
from engine.runner.processes.identity import ALIVE, ELSEWHERE, from_record, presence

POLL_SECONDS = 1.0
_START_SECONDS = 60.0
"""How long a launched parent may take until its runner has written its first record."""
_LAUNCHER_SECONDS = 600.0
"""The same, while whoever launched it lives: on a loaded machine the runner starts late."""

SUCCEEDED = "succeeded"
PENDING = "pending"
FAILED = "failed"


class DependencyFailed(Exception):
    """A run that this one needs did not succeed; the message says which and how."""


def check_dependencies(parents: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return whether a run may start.

    Args:
        parents: `{id, name, path}` of each run that must succeed first; `path` is its run folder.

    Returns:
        SUCCEEDED, PENDING or FAILED, with the reason in words.
    """
    waiting = []
    for parent in parents:
        fate, reason = dependency_status(str(parent["path"]))
        if fate == FAILED:
            return FAILED, f"{parent['name']} {reason}"
        if fate == PENDING:
            waiting.append(str(parent["name"]))
    return (PENDING, "waits for " + ", ".join(waiting)) if waiting else (SUCCEEDED, "")


def dependency_status(run_folder: str) -> tuple[str, str]:
    """Return what has become of a run, by its newest attempt: a verdict, and how it failed."""
    attempt = newest_attempt(run_folder)
    if attempt is None:
        return (PENDING, "") if os.path.isdir(run_folder) else (FAILED, "has been deleted")
    outcome = read_json(os.path.join(attempt, "outcome.json"))
    if outcome is None and not _may_still_end_well(attempt) and not _will_be_queued_again(attempt):
        outcome = read_json(os.path.join(attempt, "outcome.json"))  # it may have ended just now
        if outcome is None and os.path.isfile(os.path.join(run_folder, "result.json")):
            return SUCCEEDED, ""
        if outcome is None:
            return FAILED, "was lost"
    if outcome is None:
        return PENDING, ""
    if is_success(outcome):
        return SUCCEEDED, ""
    if os.path.exists(os.path.join(attempt, "pause.json")) or is_retry_pending(attempt):
        return PENDING, ""  # its next attempt is about to be queued
    if outcome.get("kind") == "dependency failed":
        return FAILED, "could not run: " + str(outcome.get("reason", ""))
    if outcome.get("kind") in ("outlived", "handed over"):
        return FAILED, f"has ended: {outcome.get('reason', '')}"
    verb = "was stopped" if outcome.get("stop_requested") else "failed"
    return FAILED, f"{verb}: {outcome.get('reason', '')}"


def is_success(outcome: Mapping[str, Any]) -> bool:
    return outcome.get("kind") == "exited" and outcome.get("exit_code") == 0 and not outcome.get("missing_artifacts")


def is_retry_pending(attempt: str) -> bool:
    """Return whether the runner of an attempt that has ended still finds out whether another one follows."""
    if not os.path.exists(os.path.join(attempt, "retry.json")):
        return False
    runner = from_record((read_json(os.path.join(attempt, "process.json")) or {}).get("runner"))
    return runner is not None and presence(runner) in (ALIVE, ELSEWHERE)


def newest_attempt(run_folder: str) -> str | None:
    """Return the path of `attempts/<n>` with the largest number."""
    folder = os.path.join(run_folder, "attempts")
    try:
        numbers = [int(name) for name in os.listdir(folder) if name.isdigit()]
    except OSError:
        return None
    return os.path.join(folder, str(max(numbers))) if numbers else None


def _will_be_queued_again(attempt: str) -> bool:
    """Return whether the runner has gone before the stage started: the next command starts another runner."""
    process = read_json(os.path.join(attempt, "process.json"))
    return process is not None and not process.get("stage") and not os.path.exists(os.path.join(attempt, "stop.json"))


def _may_still_end_well(attempt: str) -> bool:
    if os.path.exists(os.path.join(attempt, "slurm.json")):
        return True  # a job of a cluster: whoever looks at it writes its outcome, should its runner be unable to
    process = read_json(os.path.join(attempt, "process.json"))
    if process is None:
        return _may_get_a_runner(attempt)
    identities = (from_record(process.get("runner")), from_record(process.get("stage")))
    return any(identity is not None and presence(identity) in (ALIVE, ELSEWHERE) for identity in identities)


def _may_get_a_runner(attempt: str) -> bool:
    """Return whether its launcher may still be at it.

    A launcher of version 0.1 makes the folder first, and `launch.json` seconds later, after git has run in between.
    """
    record = os.path.join(attempt, "launch.json")
    for path in (record, attempt):
        with contextlib.suppress(OSError):
            age = time.time() - os.stat(path).st_mtime
            break
    else:
        return False
    if age < _START_SECONDS:
        return True
    launcher = from_record((read_json(record) or {}).get("launcher"))
    return launcher is not None and age < _LAUNCHER_SECONDS and presence(launcher) == ALIVE
