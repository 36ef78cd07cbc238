"""Importing what other programs have left: logs, folders of runs, and trees of both become finished runs."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

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
from app.importing.imported_runs import ImportedRuns, recorded, watch_of, write_changes, write_new
from app.workspace.run_names import check_name, free_name, lock_names, read_name
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import ImportRecord
from engine.contracts.run_folder import Workspace
from engine.supervise.ids import new_run_id

Status = Literal["new", "grown", "known", "not read"]
NO_TRAINING = "it holds neither epochs nor evaluations nor an error"


@dataclass(frozen=True)
class ImportReport:
    """What was read from one file. A log of several runs has one for each."""

    path: Path
    run_id: str
    """Empty where the file was not read, or is only tried."""
    name: str
    epochs: int
    evaluations: int
    """Those that are not only an epoch's."""
    lines: int
    not_understood: int
    is_new: bool
    """False when it had been imported before."""
    dialect: str = ""
    """Whose log it is, in words: `trtexec (unverified)`; empty where no table of it was printed."""
    role: str = LOG
    """`log`, `results`, `event file`, `options`, `best`, `last`."""
    status: Status = "new"
    """`grown`: the run is known, and more of it has been read."""
    begins: int = 0
    """The first of its bytes in the file."""
    reason: str = ""
    """Why the file was not read."""


@dataclass(frozen=True)
class ImportSummary:
    """What was read of everything that was named."""

    files: tuple[ImportReport, ...]
    runs: int
    """How many runs the files are."""
    others: int
    """Files of the trees that are no logs, results or options."""

    def count(self, status: Status) -> int:
        """How many runs are new, grown or known."""
        return len({(file.run_id, file.name) for file in self.files if file.status == status and status != "not read"})

    @property
    def sentence(self) -> str:
        """How many runs are new, have grown and were known, and what was left alone."""
        counts = [(self.count("new"), "new"), (self.count("grown"), "grown"), (self.count("known"), "known")]
        parts = [f"{count} {word}" for count, word in counts if count]
        failed = sum(file.status == "not read" for file in self.files)
        parts += [_counted(failed, "file") + " not read"] if failed else []
        parts += [_counted(self.others, "file") + " of other kinds"] if self.others else []
        nothing = "" if self.count("new") or self.count("grown") else "nothing to add; "
        return f"{nothing}{_counted(self.runs, 'run')}: {', '.join(parts)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def import_logs(workspace: Workspace, paths: Sequence[Path], name: str | None = None) -> list[ImportReport]:
    """As `import_paths`; the reports alone."""
    return list(import_paths(workspace, paths, name).files)


def import_paths(
    workspace: Workspace,
    paths: Sequence[Path],
    name: str | None = None,
    *,
    dry_run: bool = False,
    tell: Callable[[Path], None] = lambda path: None,
    advance: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> ImportSummary:
    """Bring files, folders of runs and trees in as finished runs. All is read before the first run is written.

    What has been imported before is known by its place and its content, and only what it has grown by is added.

    Args:
        paths: logs and results of any of the known dialects; folders, which are looked through.
        name: of the run, counted up for further ones and where it is taken; the folder's or the file's when None.
        dry_run: write nothing.
        tell: called with each folder and file before it is read.
        advance: called with a step, how many runs it has done, and how many there are.

    Raises:
        YoloqatError: a file that was named cannot be read, or is no log that is known here; there is none in a folder.
    """
    if name is not None:
        check_name(name)
    gathering = _Gathering(workspace, tell)
    for path in paths:
        gathering.take(Path(path))
    runs = gathering.group()
    if not runs:
        raise _no_run_error(paths, gathering)
    with lock_names(workspace) as used_names:
        imported_runs = ImportedRuns(workspace)
        files: list[ImportReport] = []
        for number, run in enumerate(runs, 1):
            files += _import_run(workspace, imported_runs, run, name, used_names, dry_run)
            advance("writing", number, len(runs))
    if not dry_run:
        from app.indexing.service import update_index

        update_index(workspace, _readings(runs, files), partial(advance, "indexing"))
    return ImportSummary((*files, *gathering.failures), len(runs), gathering.others)


class _Gathering:
    """Reads what was named, and keeps what tells of runs."""

    def __init__(self, workspace: Workspace, tell: Callable[[Path], None]) -> None:
        self._workspace = workspace
        self._tell = tell
        self._folders: dict[Path, RunDir] = {}
        self._read: dict[Path, list[Piece]] = {}
        self._logs: list[Piece] = []
        self._visited: set[Path] = set()
        self._cells = 0
        self.failures: list[ImportReport] = []
        self.others = 0

    def take(self, path: Path) -> None:
        """A file, which must be a log, or a tree."""
        if path.is_dir():
            self._take_tree(path)
            return
        if path.exists() and not path.is_file():
            raise YoloqatError("not a regular file", where=str(path), hint="Write the log into a file first.")
        self._tell(path)
        log = read_log(path)
        if not log.is_log:
            raise _refused(log)
        self._keep(log, EVENT_FILE if log.parts[0].is_event_file else LOG)

    def _keep(self, log: LogFile, role: str) -> None:
        role = RESULTS if _is_results(log) else role
        self._visited.add(log.path.resolve())
        self._bound(log)
        self._logs += [Piece(log, part, role) for part in log.parts if part.is_log]

    def _bound(self, log: LogFile) -> None:
        """Keep no more rows of all files together than of one: the index reads the other files again."""
        for part in log.parts:
            if self._cells + part.cells > MOST_CELLS:
                part.rows = None
            self._cells += part.cells

    def _take_tree(self, top: Path) -> None:
        discovered = scan_tree(top, without=self._workspace.path, tell=self._tell)
        self.others += discovered.others
        for path, reason in discovered.failures:
            self._fail(path, reason)
        for folder in discovered.run_dirs:
            self._folders[folder.path.resolve()] = folder
            self._read[folder.path] = list(self._curves(folder))
            discovered.logs += folder.logs
        for path in discovered.logs:
            if path.resolve() not in self._visited:
                self._try_log(path)

    def _curves(self, folder: RunDir) -> Iterator[Piece]:
        """The first file of results; event files where there is none."""
        for path in folder.results:
            log = self._try(path, RESULTS)
            if log is not None and log.is_log:
                self._bound(log)
                yield Piece(log, log.parts[0], RESULTS)
                return
            if log is not None:
                self._fail(path, NO_TRAINING, RESULTS)
        for path in folder.events:
            log = self._try(path, EVENT_FILE)
            if log is not None and log.is_log:
                self._bound(log)
                yield Piece(log, log.parts[0], EVENT_FILE)

    def _try_log(self, path: Path) -> None:
        log = self._try(path, LOG)
        if log is None:
            return
        tells = any(part.epochs or part.evaluations for part in log.parts)
        if log.is_log and (tells or not log.foreign):
            self._keep(log, LOG)
        elif log.foreign:
            self._fail(path, f"a log of {log.foreign}, which yoloqat does not read")
        else:
            self.others += 1

    def _try(self, path: Path, role: str) -> LogFile | None:
        self._tell(path)
        try:
            return read_log(path, sniff=True, with_rows=self._cells < MOST_CELLS)
        except YoloqatError as error:
            self._fail(path, error.what, role)
            return None

    def _fail(self, path: Path, reason: str, role: str = LOG) -> None:
        self.failures.append(_not_read(path, reason, role))

    def group(self) -> list[DiscoveredRun]:
        """The runs that all of it is."""
        for piece in self._logs:
            self._apply_printed_folder(piece)
        folders = list(self._folders.values())
        runs = group_into_runs(folders, self._read, self._logs)
        by_path = {folder.path: folder for folder in folders}
        for run in runs:
            if run.folder is not None:
                for path, reason in apply_option_files(run, by_path[run.folder]):
                    self._fail(path, reason, "options")
            apply_printed_options(run)
        return runs

    def _apply_printed_folder(self, piece: Piece) -> None:
        """The folder that a log saved to, where it is there but was not named."""
        if not piece.part.save_dir:
            return
        folder = printed_run_dir(piece.part.save_dir, bases_of(piece.file.path))
        if folder is not None and folder.path.resolve() not in self._folders:
            self._folders[folder.path.resolve()] = folder
            self._read[folder.path] = list(self._curves(folder))


def _import_run(
    workspace: Workspace,
    imported_runs: ImportedRuns,
    run: DiscoveredRun,
    name: str | None,
    used_names: set[str],
    dry_run: bool,
) -> list[ImportReport]:
    """Write a run, or what is new of it."""
    run_id = imported_runs.find(run)
    before = imported_runs.record(run_id) if run_id else ImportRecord()
    record = recorded(run, before)
    status: Status = "new" if run_id is None else "known" if record is None else "grown"
    if run_id is not None and (not before.files or watch_of(workspace.run(run_id))):
        # An older version imported it, and its log is the same; or the indexer follows it.
        status, record = "known", None
    if run_id is not None:
        shown = read_name(workspace.run(run_id)).name if workspace.run(run_id).spec.exists() else run.name
    else:
        shown = free_name(name or _as_name(run.name), used_names)
        used_names.add(shown)
        run_id = new_run_id()
        if not dry_run:
            assert record is not None
            write_new(workspace, run_id, shown, run, record)
    if status == "grown" and not dry_run:
        assert record is not None
        write_changes(workspace, run_id, run, record)
    if record is not None:
        imported_runs.add(run_id, record)
    is_tried = dry_run and status == "new"
    return [
        report
        if report.status == "not read"
        else replace(report, run_id="" if is_tried else run_id, name=shown, status=status, is_new=status == "new")
        for report in _reports(run)
    ]


def _readings(runs: Iterable[DiscoveredRun], files: Iterable[ImportReport]) -> dict[tuple[str, int], Reading]:
    """The consoles of new runs, as they were read, so that the index need not read them again."""
    new = {(file.path, file.begins): file.run_id for file in files if file.status == "new"}
    read = {}
    for run in runs:
        for number, piece in enumerate(run.consoles, 1):
            run_id = new.get((piece.file.path.absolute(), piece.part.begins))
            if run_id and piece.part.rows is not None:
                read[run_id, number] = Reading(piece.part.size, piece.part.rows, piece.part.parser)
    return read


def _reports(run: DiscoveredRun) -> Iterator[ImportReport]:
    """What each file of a run told."""
    pieces = list(run.consoles)
    if run.results is not None and run.results not in pieces:
        pieces.append(run.results)
    for piece in pieces:
        part = piece.part
        yield ImportReport(
            path=piece.file.path.absolute(),
            run_id="",
            name="",
            epochs=len(part.epochs),
            evaluations=len(part.evaluations),
            lines=part.lines,
            not_understood=part.not_understood,
            is_new=True,
            dialect=part.dialect,
            role=piece.role,
            begins=piece.part.begins,
        )
    for copy in run.copies:
        yield _not_read(copy.file.path, f"tells the same training as {pieces[0].file.path.name}", copy.role)
    for path in run.option_files:
        yield replace(_EMPTY, path=path.absolute(), role="options", lines=_lines_of(path), dialect=path.name)
    for role, path in run.weights:
        if os.access(path, os.R_OK):
            yield replace(_EMPTY, path=path.absolute(), role=role)
        else:
            yield _not_read(path, "may not be read", role)


_EMPTY = ImportReport(Path(), "", "", 0, 0, 0, 0, is_new=True)


def _not_read(path: Path, reason: str, role: str) -> ImportReport:
    return replace(_EMPTY, path=path.absolute(), role=role, is_new=False, status="not read", reason=reason)


def _lines_of(path: Path) -> int:
    return sum(1 for line in path.read_bytes().splitlines() if line.strip())


def _is_results(log: LogFile) -> bool:
    return log.parts[0].dialect.startswith("results.")


def _refused(log: LogFile) -> YoloqatError:
    if log.foreign:
        return YoloqatError(
            f"this is a log of {log.foreign}, which yoloqat does not read",
            where=str(log.path),
            hint="Of such logs only pycocotools' table would be read, and there is none in this one.",
        )
    return YoloqatError(
        f"unrecognised log format: {NO_TRAINING}",
        where=str(log.path),
        hint="Give what a YOLO trainer or yoloqat printed, redirected into a file, or results.txt or results.csv.",
    )


def _no_run_error(paths: Iterable[Path], gathering: _Gathering) -> YoloqatError:
    failures = "; ".join(f"{file.path.name}: {file.reason}" for file in gathering.failures[:3])
    hint = "Looked for logs, and for folders with results.txt, results.csv, opt.yaml, args.yaml or weights."
    return YoloqatError(
        f"there is no run in this folder ({gathering.others} files of other kinds)",
        where=", ".join(str(path) for path in paths),
        hint=f"{hint} Not read: {failures}" if failures else hint,
    )


def _as_name(text: str) -> str:
    """The name of a file or folder as the name of a run."""
    name = "".join(char if char.isprintable() and char != "/" else "_" for char in text).strip().lstrip("-")
    return name or "log"
