"""`yoloqat import PATH…`"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from app.cli.output import columns, fit, print_json, printable, say, say_workspace, table
from app.importing.import_logs import ImportReport

_TELL_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="console logs of YOLO trainers or of ours, results.txt, results.csv; or folders, such as runs/train",
    )
    parser.add_argument("--name", help="what to call the run (default: the file's name); a taken name is counted up")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be read, and write nothing")
    parser.add_argument("--json", action="store_true", help="what was read of each file as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Bring runs in as finished ones, and tell what was read of each file."""
    from app.importing.import_logs import import_paths
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    paths = [Path(path) for path in arguments.paths]
    telling = Telling()
    summary = import_paths(workspace, paths, name=arguments.name, dry_run=arguments.dry_run, tell=telling)
    telling.end()
    if arguments.json:
        document = {"runs": summary.runs, "others": summary.others, "dry_run": arguments.dry_run}
        print_json({"schema": 1, "workspace": workspace.path, "imported": summary.files, **document})
        return 0
    read = [report for report in summary.files if report.status != "not read"]
    headers = ["FILE", "RUN", "FORMAT", "EPOCHS", "EVALS", "LINES NOT READ", ""]
    names = _shown_paths([report.path for report in read])
    rows = [[name, *_report_lines(report)] for name, report in zip(names, read, strict=True)]
    print(table(headers, rows, right=range(3, 6), flexible=(0, 1)))
    for report in summary.files:
        if report.status == "not read":
            print(f"not read: {printable(str(report.path))}: {printable(report.reason)}")
    say(f"would be: {summary.sentence}" if arguments.dry_run else summary.sentence)
    return 0


class Telling:
    """Shows in one line of the terminal what is being read, where that takes its time."""

    def __init__(self) -> None:
        self._last_reported_at = time.monotonic()
        self._is_shown = False

    def __call__(self, path: Path) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._last_reported_at > _TELL_SECONDS:
            self._last_reported_at, self._is_shown = time.monotonic(), True
            print(
                f"\r\x1b[K{fit(f'reading {printable(str(path))}', columns() - 1)}", end="", file=sys.stderr, flush=True
            )

    def end(self) -> None:
        """Take the line away."""
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report_lines(report: ImportReport) -> list[str]:
    is_log = report.role in ("log", "results", "event file")
    numbers = ["", "", ""]
    if is_log:
        numbers = [str(report.epochs), str(report.evaluations), f"{report.not_understood} of {report.lines}"]
    form = report.dialect if is_log or report.dialect else report.role
    return [report.name, form, *numbers, "" if report.status == "new" else report.status]


def _shown_paths(paths: list[Path]) -> list[str]:
    """Names; with as many folders as they need to be told apart."""
    shown = {path: path.name for path in paths}
    for depth in (2, 3, 4):
        counts = Counter(shown.values())
        shown = {path: "/".join(path.parts[-depth:]) if counts[name] > 1 else name for path, name in shown.items()}
    return [shown[path] for path in paths]
