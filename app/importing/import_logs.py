"""Import logs, run folders and trees of other programs as finished runs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.discovery.discover import RunDir, scan_tree
from app.discovery.group_files import (
    EVENT_FILE,
    LOG,
    RESULTS,
    DiscoveredRun,
    Piece,
    bases_of,
    group_into_runs,
    printed_run_dir,
)
from app.discovery.read_log import MOST_CELLS, LogFile, read_log
from app.discovery.trainer_options import apply_option_files, apply_printed_options
from app.following.log_follower import Reading
from app.importing.import_report import ImportReport, ImportSummary, Status, not_read, reports_of
from app.importing.imported_runs import ImportedRuns, active_watch, updated_record, write_changes, write_new_run
from app.workspace.run_names import check_name, free_name, lock_names, read_name
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import ImportRecord
from engine.contracts.run_folder import Workspace
from engine.logs.containers.file_kinds import kind_of
from engine.supervise.launch.ids import new_run_id

NO_TRAINING = "it holds neither epochs nor evaluations nor an error"


def import_logs(workspace: Workspace, paths: Sequence[Path], name: str | None = None) -> list[ImportReport]:
    """Import as `import_paths`, and return the reports alone."""
    return list(import_paths(workspace, paths, name).files)


def import_paths(
    workspace: Workspace,
    paths: Sequence[Path],
    name: str | None = None,
    *,
    dry_run: bool = False,
    report_path: Callable[[Path], None] = lambda path: None,
    advance: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> ImportSummary:
    """Import files, run folders and trees as finished runs. Reads everything before it writes the first run.

    Files that were imported before are recognised by path and content; only their new bytes are added.

    Args:
        paths: logs and results of any supported dialect, and folders, which are searched.
        name: the run's name, with a number for further runs or if it is in use; None for that of the folder or file.
        dry_run: write nothing.
        report_path: called with each folder and file before it is read.
        advance: called with the name of a step, the number of finished runs and that of all runs.

    Raises:
        YoloqatError: a named file cannot be read or has an unrecognised format, or the folders contain no run.
    """
    if name is not None:
        check_name(name)
    collector = _Collector(workspace, report_path)
    errors = [error for path in paths if (error := collector.try_to_add(Path(path))) is not None]
    runs = collector.group()
    if not runs:
        raise errors[0] if errors else _no_run_error(paths, collector)
    with lock_names(workspace) as used_names:
        imported_runs = ImportedRuns(workspace)
        files: list[ImportReport] = []
        for number, run in enumerate(runs, 1):
            files += _import_run(workspace, imported_runs, run, name, used_names, dry_run)
            advance("writing", number, len(runs))
    if not dry_run:
        from app.indexing.service import update_index

        update_index(workspace, _readings(runs, files), partial(advance, "indexing"))
    return ImportSummary((*files, *collector.failures), len(runs), collector.others)


class _Collector:
    """Reads all paths and collects the files of runs."""

    def __init__(self, workspace: Workspace, report_path: Callable[[Path], None]) -> None:
        self._workspace = workspace
        self._report_path = report_path
        self._folders: dict[Path, RunDir] = {}
        self._curves_by_folder: dict[Path, list[Piece]] = {}
        self._logs: list[Piece] = []
        self._visited: set[Path] = set()
        self._cells = 0
        self.failures: list[ImportReport] = []
        self.others = 0

    def try_to_add(self, path: Path) -> YoloqatError | None:
        """Add a tree or a log; return why it could not be read, which costs the others nothing."""
        try:
            self.add(path)
        except YoloqatError as error:
            self._fail(path, error.what)
            return error
        return None

    def add(self, path: Path) -> None:
        """Add a tree, or a file, which must be a log."""
        if path.is_dir():
            self._add_tree(path)
            return
        if path.exists() and not path.is_file():
            raise YoloqatError("not a regular file", where=str(path), hint="Write the log into a file first.")
        self._report_path(path)
        log = read_log(path)
        if not log.is_log:
            raise _unsupported_error(log)
        self._add_log(log, EVENT_FILE if log.parts[0].is_event_file else LOG)

    def _add_log(self, log: LogFile, role: str) -> None:
        role = RESULTS if _is_results(log) else role
        self._visited.add(log.path.resolve())
        self._limit_rows(log)
        self._logs += [Piece(log, part, role) for part in log.parts if part.is_log]

    def _limit_rows(self, log: LogFile) -> None:
        """Limit the rows in memory over all files; the indexer reads the dropped ones again."""
        for part in log.parts:
            if self._cells + part.cells > MOST_CELLS:
                part.rows = None
            self._cells += part.cells

    def _add_tree(self, top: Path) -> None:
        discovered = scan_tree(top, without=self._workspace.path, report_path=self._report_path)
        self.others += discovered.others
        for path, reason in discovered.failures:
            self._fail(path, reason)
        for folder in discovered.run_dirs:
            self._folders[folder.path.resolve()] = folder
            self._curves_by_folder[folder.path] = list(self._read_curves(folder))
            discovered.logs += folder.logs
        for path in discovered.logs:
            if path.resolve() not in self._visited:
                self._try_log(path)

    def _read_curves(self, folder: RunDir) -> Iterator[Piece]:
        """Yield the first results file; event files if there is none."""
        for path in folder.results:
            log = self._try(path, RESULTS)
            if log is not None and log.is_log:
                self._limit_rows(log)
                yield Piece(log, log.parts[0], RESULTS)
                return
            if log is not None:
                self._fail(path, NO_TRAINING, RESULTS)
        for path in folder.events:
            log = self._try(path, EVENT_FILE)
            if log is not None and log.is_log:
                self._limit_rows(log)
                yield Piece(log, log.parts[0], EVENT_FILE)

    def _try_log(self, path: Path) -> None:
        log = self._try(path, LOG)
        if log is None:
            return
        has_metrics = any(part.epochs or part.evaluations for part in log.parts)
        if log.is_log and (has_metrics or not log.foreign):
            self._add_log(log, LOG)
        elif log.foreign:
            self._fail(path, f"a log of {log.foreign}, which yoloqat does not read")
        else:
            self.others += 1

    def _try(self, path: Path, role: str) -> LogFile | None:
        self._report_path(path)
        try:
            return read_log(path, sniff=True, with_rows=self._cells < MOST_CELLS)
        except YoloqatError as error:
            self._fail(path, error.what, role)
            return None

    def _fail(self, path: Path, reason: str, role: str = LOG) -> None:
        self.failures.append(not_read(path, reason, role))

    def group(self) -> list[DiscoveredRun]:
        """Group the collected files into runs."""
        for piece in self._logs:
            self._apply_printed_folder(piece)
        folders = list(self._folders.values())
        runs = group_into_runs(folders, self._curves_by_folder, self._logs)
        by_path = {folder.path: folder for folder in folders}
        for run in runs:
            if run.folder is not None:
                for path, reason in apply_option_files(run, by_path[run.folder]):
                    self._fail(path, reason, "options")
            apply_printed_options(run)
        return runs

    def _apply_printed_folder(self, piece: Piece) -> None:
        """Add the folder that a log saved to, if it exists and is not among the paths."""
        if not piece.part.save_dir:
            return
        folder = printed_run_dir(piece.part.save_dir, bases_of(piece.file.path))
        if folder is not None and folder.path.resolve() not in self._folders:
            self._folders[folder.path.resolve()] = folder
            self._curves_by_folder[folder.path] = list(self._read_curves(folder))


def _import_run(
    workspace: Workspace,
    imported_runs: ImportedRuns,
    run: DiscoveredRun,
    name: str | None,
    used_names: set[str],
    dry_run: bool,
) -> list[ImportReport]:
    """Write a new run, or the changes of an existing one, and return its reports."""
    run_id = imported_runs.find(run)
    before = imported_runs.record(run_id) if run_id else ImportRecord()
    record = updated_record(run, before)
    status: Status = "new" if run_id is None else "known" if record is None else "grown"
    if run_id is not None and (not before.files or active_watch(workspace.run(run_id))):
        # An older version imported the same log; or the indexer watches it.
        status, record = "known", None
    if run_id is not None:
        run_name = read_name(workspace.run(run_id)).name if workspace.run(run_id).spec.exists() else run.name
    else:
        run_name = free_name(name or _run_name_of(run.name), used_names)
        used_names.add(run_name)
        run_id = new_run_id()
        if not dry_run:
            assert record is not None
            write_new_run(workspace, run_id, run_name, run, record)
    if status == "grown" and not dry_run:
        assert record is not None
        write_changes(workspace, run_id, run, record)
    if record is not None:
        imported_runs.add(run_id, record)
    is_planned = dry_run and status == "new"
    return [
        report
        if report.status == "not read"
        else replace(report, run_id="" if is_planned else run_id, name=run_name, status=status, is_new=status == "new")
        for report in reports_of(run)
    ]


def _readings(runs: Iterable[DiscoveredRun], files: Iterable[ImportReport]) -> dict[tuple[str, int], Reading]:
    """Return the parsed logs of new runs, so that the index does not read them again."""
    new = {(file.path, file.begins): file.run_id for file in files if file.status == "new"}
    readings = {}
    for run in runs:
        for number, piece in enumerate(run.consoles, 1):
            run_id = new.get((piece.file.path.absolute(), piece.part.begins))
            if run_id and piece.part.rows is not None:
                readings[run_id, number] = Reading(piece.part.size, piece.part.rows, piece.part.parser)
    return readings


def _unsupported_error(log: LogFile) -> YoloqatError:
    if log.foreign:
        return YoloqatError(
            f"this is a log of {log.foreign}, which yoloqat does not read",
            where=str(log.path),
            hint="Only a pycocotools table is read from such logs, and this one has none.",
        )
    if kind := _kind_of(log.path):
        return YoloqatError(
            f"this is {kind}, which holds no log that is read",
            where=str(log.path),
            hint="Import the log that stands in it, or the folder of the run.",
        )
    return YoloqatError(
        f"unrecognised log format: {NO_TRAINING}",
        where=str(log.path),
        hint="Import the output of a YOLO trainer or of yoloqat, or a results.txt or results.csv.",
    )


def _kind_of(path: Path) -> str:
    with path.open("rb") as file:
        return kind_of(file.read(4096))


def _no_run_error(paths: Iterable[Path], collector: _Collector) -> YoloqatError:
    failures = "; ".join(f"{file.path.name}: {file.reason}" for file in collector.failures[:3])
    hint = "Searched for logs, and for folders with results.txt, results.csv, opt.yaml, args.yaml or weights."
    return YoloqatError(
        f"no run found ({collector.others} files of other kinds)",
        where=", ".join(str(path) for path in paths),
        hint=f"{hint} Not read: {failures}" if failures else hint,
    )


def _run_name_of(text: str) -> str:
    """Turn the name of a file or folder into a valid run name."""
    name = "".join(char if char.isprintable() and char != "/" else "_" for char in text).strip().lstrip("-")
    return name or "log"


def _is_results(log: LogFile) -> bool:
    return log.parts[0].dialect.startswith("results.")
