"""`yoloqat stop RUN`"""

import argparse
from typing import Any

from app.cli.output import print_json, say_workspace
from engine.contracts.run_folder import Workspace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN", help="a run, or the name of a pipeline's group for all of its runs")
    parser.add_argument("--now", action="store_true", help="skip to the next signal instead of waiting out the grace")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Ask for the end of a run; its runner does the stopping, and this returns at once."""
    from app.services.names import find_ids
    from app.services.workspace import resolve_workspace

    workspace = resolve_workspace(arguments.workspace)
    say_workspace(workspace)
    # Children first: one that waits would else end as `dependency failed`, and nobody asked for that.
    answers = [_stop(workspace, run_id, arguments.now) for run_id in reversed(find_ids(workspace, arguments.reference))]
    if arguments.json:
        print_json({"schema": 1, "runs": answers})
        return 0
    for answer in answers:
        print(f"{answer['name']}: {_words(answer)}")
    return 0


def _stop(workspace: Workspace, run_id: str, now: bool) -> dict[str, Any]:
    from app.services.control import run_status, stop_run
    from app.services.names import read_name

    asked = stop_run(workspace, run_id, now=now)
    status = run_status(workspace, run_id)
    return {
        "id": run_id,
        "name": read_name(workspace.run(run_id)).name,
        "asked": asked,
        "state": status.state.value,
        "reason": status.reason,
        "stopping": status.stopping,
    }


def _words(answer: dict[str, Any]) -> str:
    if answer["asked"]:
        return "asked to stop. SIGINT, SIGTERM 20 s later, SIGKILL 10 s after that; --now skips to the next."
    return f"nothing to stop ({answer['state']})"
