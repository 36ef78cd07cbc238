"""`yoloqat stop RUN` and `pause RUN`"""

import argparse
from typing import Any

from app.cli.commands import Handlers
from app.cli.output import print_json, say_workspace
from engine.contracts.run_folder import Workspace


def _add_stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="RUN", help="a run, or a group for all of its runs")
    parser.add_argument("--now", action="store_true", help="send the next signal now instead of waiting out the grace")
    parser.add_argument("--after-epoch", action="store_true", help="let one of our trainings finish its epoch")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def _stop(arguments: argparse.Namespace) -> int:
    """Request the stop of runs from their runners, and return at once."""
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_ids

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    # Children first: a queued one would otherwise end as `dependency failed` instead of `stopped`.
    ids = find_ids(workspace, arguments.reference)
    if arguments.after_epoch:
        return _end_after_epoch(workspace, ids, arguments.json)
    answers = [_stop_run(workspace, run_id, arguments.now) for run_id in reversed(ids)]
    if arguments.json:
        print_json({"schema": 1, "runs": answers})
        return 0
    for answer in answers:
        print(f"{answer['name']}: {_answer_text(answer)}")
    return 0


def _end_after_epoch(workspace: Workspace, ids: list[str], as_json: bool) -> int:
    """Request an end after the epoch from the run, or from the running ones of a group.

    Their queued children need no request: they depend on the outcome.
    """
    from app.launching.stop import end_after_epoch, run_status
    from app.workspace.run_names import read_name
    from engine.contracts.states import RunState

    if len(ids) > 1:
        ids = [run_id for run_id in ids if run_status(workspace, run_id).state is RunState.RUNNING]
    for run_id in ids:
        end_after_epoch(workspace, run_id)
    names = [read_name(workspace.run(run_id)).name for run_id in ids]
    if as_json:
        runs = [{"id": run_id, "name": name, "asked": True} for run_id, name in zip(ids, names, strict=True)]
        print_json({"schema": 1, "runs": runs})
    else:
        print("\n".join(f"{name}: ends after this epoch" for name in names) or "no run is running")
    return 0


def _stop_run(workspace: Workspace, run_id: str, now: bool) -> dict[str, Any]:
    from app.launching.stop import run_status, stop_run
    from app.workspace.run_names import read_name

    is_requested = stop_run(workspace, run_id, now=now)
    status = run_status(workspace, run_id)
    return {
        "id": run_id,
        "name": read_name(workspace.run(run_id)).name,
        "asked": is_requested,
        "state": status.state.value,
        "reason": status.reason,
        "stopping": status.stopping,
    }


def _answer_text(answer: dict[str, Any]) -> str:
    if answer["asked"]:
        return "asked to stop: SIGINT, SIGTERM after 20 s, SIGKILL 10 s later; --now skips to the next."
    return f"nothing to stop ({answer['state']})"


def _add_pause(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="RUN", help="a run")


def _pause(arguments: argparse.Namespace) -> int:
    """Request an end at a checkpoint, after which the run is queued again, held; return at once."""
    from app.launching.stop import pause_run
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_id, read_name

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    run_id = find_id(workspace, arguments.reference)
    name = read_name(workspace.run(run_id)).name
    print(f"{name}: {pause_run(workspace, run_id)}, then waits, paused; `yoloqat resume {name}` continues it")
    return 0


COMMANDS = {"stop": Handlers(_add_stop, _stop), "pause": Handlers(_add_pause, _pause)}
