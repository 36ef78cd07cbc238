"""`yoloqat queue`"""

import argparse

from app.cli.output import print_json, say_workspace, table
from app.formatting import ABSENT, age, size

HEADERS = ("#", "RUN", "NEEDS", "SINCE", "WHY IT WAITS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="the queue and the leases as JSON")


def call(arguments: argparse.Namespace) -> int:
    """List what waits, first in line first, and who has a GPU or the CPU lane."""
    from app.launching.queue import leases_here, queued_runs
    from app.launching.requeue import requeue
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    requeue(workspace)
    runs, leases = queued_runs(workspace), leases_here()
    if arguments.json:
        print_json({"schema": 1, "workspace": workspace.path, "queue": runs, "leases": leases})
        return 0
    rows = []
    for number, run in enumerate(runs, 1):
        priority = f" (priority {run.priority})" if run.priority else ""
        rows.append([str(number), run.name + priority, run.needs or ABSENT, age(run.since), run.reason])
    print(table(HEADERS, rows, flexible=(4,)) if rows else "nothing waits")
    if leases:
        print()
        held = [
            [lease.device, lease.run, str(lease.pid), size(lease.memory) if lease.memory else "all of it"]
            for lease in leases
        ]
        print(table(("LEASE", "RUN", "PID", "MEMORY"), held, flexible=(1,)))
    return 0
