"""`yoloqat import PATH…`"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from app.cli.output import columns, fit, print_json, printable, say, say_workspace, table
from app.importing.import_logs import ImportReport

_PROGRESS_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="console logs, results.txt, results.csv, or folders of them such as runs/train",
    )
    parser.add_argument("--name", help="name the run; a number is appended if it is in use (default: the file's name)")
    parser.add_argument("--dry-run", action="store_true", help="print what would be imported, and write nothing")
    parser.add_argument("--json", action="store_true", help="print what was read from each file as JSON")


def call(arguments: argparse.Namespace) -> int:
    """Import files as finished runs, and print what was read from each file."""
    from app.importing.import_logs import import_paths
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    paths = [Path(path) for path in arguments.paths]
    progress = ProgressLine()
    summary = import_paths(workspace, paths, name=arguments.name, dry_run=arguments.dry_run, report_path=progress)
    progress.clear()
    if arguments.json:
        document = {"runs": summary.runs, "others": summary.others, "dry_run": arguments.dry_run}
        print_json({"schema": 1, "workspace": workspace.path, "imported": summary.files, **document})
        return 0
    reports = [report for report in summary.files if report.status != "not read"]
    headers = ["FILE", "RUN", "FORMAT", "EPOCHS", "EVALS", "LINES NOT READ", ""]
    names = _short_paths([report.path for report in reports])
    rows = [[name, *_report_cells(report)] for name, report in zip(names, reports, strict=True)]
    print(table(headers, rows, right=range(3, 6), flexible=(0, 1)))
    for report in summary.files:
        if report.status == "not read":
            print(f"not read: {printable(str(report.path))}: {printable(report.reason)}")
    say(f"would import: {summary.sentence}" if arguments.dry_run else summary.sentence)
    return 0


class ProgressLine:
    """Shows in one line of the terminal what is being read, at most twice a second."""

    def __init__(self) -> None:
        self._last_reported_at = time.monotonic()
        self._is_shown = False

    def __call__(self, path: Path) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._last_reported_at > _PROGRESS_SECONDS:
            self._last_reported_at, self._is_shown = time.monotonic(), True
            print(
                f"\r\x1b[K{fit(f'reading {printable(str(path))}', columns() - 1)}", end="", file=sys.stderr, flush=True
            )

    def clear(self) -> None:
        """Clear the line."""
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report_cells(report: ImportReport) -> list[str]:
    is_log = report.role in ("log", "results", "event file")
    numbers = ["", "", ""]
    if is_log:
        numbers = [str(report.epochs), str(report.evaluations), f"{report.not_understood} of {report.lines}"]
    file_format = report.dialect if is_log or report.dialect else report.role
    return [report.name, file_format, *numbers, "" if report.status == "new" else report.status]


def _short_paths(paths: list[Path]) -> list[str]:
    """Shorten paths to their names, with up to three folders where names are equal."""
    shown = {path: path.name for path in paths}
    for depth in (2, 3, 4):
        counts = Counter(shown.values())
        shown = {path: "/".join(path.parts[-depth:]) if counts[name] > 1 else name for path, name in shown.items()}
    return [shown[path] for path in paths]
