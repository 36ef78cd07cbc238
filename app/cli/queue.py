"""`yoloqat queue`, `hold`, `release`, `move`, `cancel`: the queue and its order."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from app.cli.commands import Handlers
from app.cli.output import ask, print_json, say, say_workspace, table
from app.formatting import ABSENT, age, size

if TYPE_CHECKING:
    from app.launching.adopt import ForeignRun
    from engine.contracts.run_folder import Workspace

HEADERS = ("#", "RUN", "NEEDS", "SINCE", "WHY IT WAITS")


def _add_queue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the queue and the leases as JSON")
    parser.add_argument(
        "--boot",
        action="store_true",
        help="start the runners of everything that this user has queued on this machine, in all workspaces; for cron's"
        " @reboot",
    )
    _add_yes(parser)


def _add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="start what was queued elsewhere without asking")


def _queue(arguments: argparse.Namespace) -> int:
    """List queued runs in their order, and the leases of GPUs and the CPU lane."""
    from app.backend.local import LocalBackend
    from app.launching.requeue import requeue, requeue_all

    if arguments.boot:
        for path, count in requeue_all():
            print(f"{path}: {count} started")
        return 0
    backend = LocalBackend.open(arguments.workspace)
    say_workspace(backend.workspace)
    requeue(backend.workspace)
    _offer_former_runs(backend.workspace, arguments.yes)
    document = backend.queue_document()
    if arguments.json:
        print_json(document)
        return 0
    rows = []
    for number, run in enumerate(document.queue, 1):
        priority = f" (priority {run.priority})" if run.priority else ""
        rows.append([str(number), run.name + priority, run.needs or ABSENT, age(run.since), run.reason])
    print(table(HEADERS, rows, flexible=(4,)) if rows else "the queue is empty")
    if document.leases:
        print()
        leases = [
            [lease.device, lease.run, str(lease.pid), size(lease.memory) if lease.memory else "all of it"]
            for lease in document.leases
        ]
        print(table(("LEASE", "RUN", "PID", "MEMORY"), leases, flexible=(1,)))
    return 0


def _offer_former_runs(workspace: Workspace, is_accepted: bool) -> None:
    """Ask whether to start runs that a version before 0.2 queued, without a record of who did; a no is remembered."""
    from app.launching.adopt import adopt, decline_former, queued_before_upgrade

    former = queued_before_upgrade(workspace)
    if not former:
        return
    for run in former:
        _show_start(run)
    runs = "a run" if len(former) == 1 else f"{len(former)} runs"
    answer = is_accepted or ask(f"A version before 0.2 has queued {runs}, see above. Start?")
    if answer:
        for run in former:
            adopt(workspace, run)
    elif answer is False:
        decline_former(workspace)
    else:
        say(f"{runs} of a version before 0.2 wait: `yoloqat queue --yes` starts them")


def _show_start(run: ForeignRun) -> None:
    say(f"{run.name} ({run.id}) would start:")
    say(f"  command    {shlex.join(run.argv)}")
    say(f"  directory  {run.cwd}")
    for name, value in sorted(run.env.items()):
        say(f"  variable   {name}={value}")


def _add_queued_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="RUN", help="a queued run, or a group for its queued runs")


def _hold(arguments: argparse.Namespace) -> int:
    """Keep queued runs from starting."""
    from app.launching.queue import hold_runs
    from app.launching.requeue import requeue
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    names = hold_runs(workspace, arguments.reference)
    requeue(workspace)  # other runs may have lost their runner
    for name in names:
        print(f"{name}: held; release it with `yoloqat release {name}`")
    return 0


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="RUN", help="a held run, or a group for its held runs")
    _add_yes(parser)


def _release(arguments: argparse.Namespace) -> int:
    """Let a held run take its turn, or start one that was queued elsewhere."""
    from app.launching.queue import release_runs
    from app.launching.requeue import requeue
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)

    def accept(run: ForeignRun) -> bool:
        _show_start(run)
        answer = arguments.yes or ask("It was launched elsewhere. Start it here?")
        return answer is not False  # whoever names a run in a script has decided

    names = release_runs(workspace, arguments.reference, accept)
    requeue(workspace)
    for name in names:
        print(f"{name}: released")
    return 0


def _add_move(parser: argparse.ArgumentParser) -> None:
    _add_queued_run(parser)
    position = parser.add_mutually_exclusive_group(required=True)
    position.add_argument("--first", action="store_true", help="move to the head of the queue")
    position.add_argument("--last", action="store_true", help="move to the end of the queue")
    position.add_argument("--before", metavar="RUN", help="move in front of another queued run")


def _move(arguments: argparse.Namespace) -> int:
    """Change the order of the queue."""
    from app.launching.queue import move_runs
    from app.launching.requeue import requeue
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    names = move_runs(workspace, arguments.reference, before=arguments.before, last=arguments.last)
    requeue(workspace)
    print("\n".join(f"{number} {name}" for number, name in enumerate(names, 1)))
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    """Take queued runs out of the queue; leave running ones alone."""
    from app.launching.queue import cancel_runs
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    for name in cancel_runs(workspace, arguments.reference):
        print(f"{name}: cancelled")
    return 0


COMMANDS = {
    "queue": Handlers(_add_queue, _queue),
    "hold": Handlers(_add_queued_run, _hold),
    "release": Handlers(_add_release, _release),
    "move": Handlers(_add_move, _move),
    "cancel": Handlers(_add_queued_run, _cancel),
}
