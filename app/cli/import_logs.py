"""`yoloqat import PATH…`"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.output import fit, print_json, printable, say, say_workspace, table
from app.importing.import_report import ImportReport

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_NAME_CELLS = 24
"""The width of the file name in the progress line."""


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
    with ImportProgress() as progress:
        options = {"name": arguments.name, "dry_run": arguments.dry_run}
        summary = import_paths(workspace, paths, **options, report_path=progress.read, advance=progress.advance)
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


class ImportProgress:
    """A bar on the terminal for what takes its time: reading files, writing run folders, indexing them."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ImportProgress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
            self._progress = Progress(
                *columns, console=Console(file=getattr(sys.stderr, "unfiltered", sys.stderr)), transient=True
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def read(self, path: Path) -> None:
        """Show which file is read next; how many there are is not known yet."""
        self._show(f"reading {fit(printable(path.name), _NAME_CELLS)}", None, None)

    def advance(self, step: str, done: int, total: int) -> None:
        """Show how many runs a step has done."""
        self._show(step, done, total)

    def _show(self, description: str, done: int | None, total: int | None) -> None:
        if self._progress is None:
            return
        if self._task is None:
            self._task = self._progress.add_task(description, total=None)
        elif done is None:
            self._progress.advance(self._task)
        self._progress.update(self._task, description=description, total=total)
        if done is not None:
            self._progress.update(self._task, completed=done)


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
