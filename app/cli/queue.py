"""`yoloqat queue`"""

import argparse

from app.cli.output import print_json, say_workspace, table
from app.formatting import ABSENT, age, megabytes

HEADERS = ("#", "RUN", "NEEDS", "SINCE", "WHY IT WAITS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="the queue and the leases as JSON")


def call(arguments: argparse.Namespace) -> int:
    """List what waits, first in line first, and who has a GPU or the CPU lane."""
    from app.backend.local import LocalBackend
    from app.launching.requeue import requeue

    backend = LocalBackend.open(arguments.workspace)
    say_workspace(backend.workspace)
    requeue(backend.workspace)
    document = backend.queue_document()
    if arguments.json:
        print_json(document)
        return 0
    rows = []
    for number, run in enumerate(document.queue, 1):
        priority = f" (priority {run.priority})" if run.priority else ""
        rows.append([str(number), run.name + priority, run.needs or ABSENT, age(run.since), run.reason])
    print(table(HEADERS, rows, flexible=(4,)) if rows else "nothing waits")
    if document.leases:
        print()
        held = [
            [lease.device, lease.run, str(lease.pid), f"{megabytes(lease.memory)} MB" if lease.memory else "all of it"]
            for lease in document.leases
        ]
        print(table(("LEASE", "RUN", "PID", "MEMORY"), held, flexible=(1,)))
    return 0
