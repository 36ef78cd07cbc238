"""`yoloqat log RUN`"""

import argparse
import sys

from app.cli.output import print_json, say_workspace
from engine.contracts.events import PREFIX


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("reference", metavar="RUN")
    parser.add_argument("-n", "--lines", type=int, default=200, metavar="N", help="print the last N lines (200)")
    parser.add_argument("--attempt", type=int, metavar="N", help="print the log of this attempt (default: the newest)")
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "-f", "--follow", action="store_true", help="follow the log until the run ends; Ctrl-C detaches"
    )
    output.add_argument("--raw", action="store_true", help="print the bytes as they are, with redraws and colours")
    output.add_argument("--json", action="store_true", help="print id, name, attempt and lines as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Print the end of a log."""
    from app.backend.local import LocalBackend
    from app.following.log_tail import find_attempt, tail, tail_bytes
    from app.workspace.open import open_workspace
    from app.workspace.run_names import find_id, read_name

    workspace = open_workspace(arguments.workspace, write=False)
    say_workspace(workspace)
    folder = workspace.run(find_id(workspace, arguments.reference))
    attempt = find_attempt(workspace, folder.id, arguments.attempt)
    name = read_name(folder).name
    if arguments.json:
        print_json(LocalBackend(workspace).log_document(folder.id, arguments.lines, arguments.attempt))
        return 0
    if attempt is None:
        return 0
    data, end = tail_bytes(attempt.console, arguments.lines)
    if arguments.raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return 0
    if arguments.follow:
        from app.cli.follow import follow_run

        return follow_run(workspace, folder.id, name, offset=end - len(data))
    for line in tail(attempt.console, arguments.lines):
        if not line.startswith(PREFIX):
            print(line)
    return 0
