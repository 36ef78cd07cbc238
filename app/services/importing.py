"""Importing logs: each becomes a finished run of its own."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.services.names import check_name, free_name, naming, read_name
from engine.contracts.errors import YoloqatError
from engine.contracts.facts import (
    CocoLine,
    Crash,
    EpochRow,
    Fact,
    ModelSummary,
    Note,
    OutOfMemory,
    StageEvent,
    TrainingCompleted,
    TrainingStarted,
    ValidationRow,
)
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.logs.dialects import describe
from engine.logs.parser import LogParser
from engine.supervise.ids import new_run_id

_READ_BYTES = 1 << 20
_TELLING = (
    EpochRow,
    ValidationRow,
    CocoLine,
    ModelSummary,
    TrainingStarted,
    TrainingCompleted,
    StageEvent,
    Crash,
    OutOfMemory,
)
"""Facts that prove a log; a text may contain a warning by chance."""


@dataclass(frozen=True)
class ImportReport:
    """What was read from one file."""

    path: Path
    run_id: str
    name: str
    epochs: int
    evaluations: int
    """Those that are not only an epoch's."""
    lines: int
    not_understood: int
    is_new: bool
    """False when a file of the same content had been imported before."""
    dialect: str = ""
    """Whose log it is, in words: `trtexec (unverified)`; empty where no table of it was printed."""


@dataclass(frozen=True)
class _Found:
    """What a file holds."""

    path: Path
    sha256: str
    size: int
    epochs: int
    evaluations: int
    lines: int
    not_understood: int
    dialect: str


def import_logs(workspace: Workspace, paths: Sequence[Path], name: str | None = None) -> list[ImportReport]:
    """Bring logs in as finished runs. All are checked before the first one is written.

    Args:
        paths: log files of any of the known dialects.
        name: of the run, counted up for further files and where it is taken; the file's name when None.

    Raises:
        YoloqatError: a file is not there, cannot be read, or is no log that is known here.
    """
    if name is not None:
        check_name(name)
    found = [_examine(Path(path)) for path in paths]
    reports = [_import(workspace, log, name) for log in found]
    from app.services.index import catch_up

    catch_up(workspace)
    return reports


def _examine(path: Path) -> _Found:
    """Read a file through, without keeping it."""
    if path.is_dir():
        raise YoloqatError("this is a folder", where=str(path), hint="Name the log files in it.")
    if path.exists() and not path.is_file():
        raise YoloqatError("this is no regular file", where=str(path), hint="Write the log into a file first.")
    parser = LogParser()
    digest = hashlib.sha256()
    size = 0
    counts = _Counts()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_READ_BYTES):
                size += len(chunk)
                digest.update(chunk)
                counts.take(parser.feed(chunk))
    except OSError as error:
        raise YoloqatError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    counts.take(parser.finish())
    if not counts.is_log and counts.foreign:
        raise YoloqatError(
            f"this is a log of {counts.foreign}, which is not read here",
            where=str(path),
            hint="Of such logs only pycocotools' table would be read, and there is none in this one.",
        )
    if not counts.is_log:
        raise YoloqatError(
            "this is no log that is known here: it holds neither epochs nor evaluations nor an error",
            where=str(path),
            hint="Give what a YOLO trainer or yoloqat printed, redirected into a file, or results.txt or results.csv.",
        )
    return _Found(
        path=path.absolute(),
        sha256=digest.hexdigest(),
        size=size,
        epochs=len(counts.epochs),
        evaluations=len(counts.evaluations),
        lines=parser.lines,
        not_understood=parser.not_understood,
        dialect=counts.foreign or describe(parser.dialect or ""),
    )


class _Counts:
    """Counts facts without keeping them."""

    def __init__(self) -> None:
        self.is_log = False
        self.foreign = ""
        """Another trainer, whose log it is."""
        self.epochs: set[int] = set()
        self.evaluations: set[int] = set()

    def take(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            self.is_log = self.is_log or isinstance(fact, _TELLING)
            if isinstance(fact, Note) and fact.kind == "foreign":
                self.foreign = fact.text
            if isinstance(fact, EpochRow):
                self.epochs.add(fact.epoch)
            elif isinstance(fact, ValidationRow | CocoLine) and fact.epoch is None:
                self.evaluations.add(fact.evaluation)


def _import(workspace: Workspace, log: _Found, name: str | None) -> ImportReport:
    with naming(workspace) as taken:
        known = _imported_before(workspace, log)
        run_id = known or new_run_id()
        if known is None:
            _write(workspace, run_id, log, free_name(name or _name_of(log.path), taken))
    return ImportReport(
        path=log.path,
        run_id=run_id,
        name=read_name(workspace.run(run_id)).name,
        epochs=log.epochs,
        evaluations=log.evaluations,
        lines=log.lines,
        not_understood=log.not_understood,
        is_new=known is None,
        dialect=log.dialect,
    )


def _imported_before(workspace: Workspace, log: _Found) -> str | None:
    """The run whose log has the same content."""
    for folder in workspace.run_folders():
        attempt = folder.attempt(1)
        try:
            if attempt.console.stat().st_size != log.size or attempt.launch.exists():
                continue
            with attempt.console.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == log.sha256:
                    return folder.id
        except OSError:
            continue
    return None


def _write(workspace: Workspace, run_id: str, log: _Found, name: str) -> None:
    """The specification makes a folder a run, so it comes last; what fails before leaves nothing."""
    folder = workspace.run(run_id)
    attempt = folder.attempt(1)
    try:
        try:
            attempt.path.mkdir(parents=True)
            shutil.copyfile(log.path, attempt.console)
            spec = RunSpec(
                id=run_id,
                name=name,
                stage=COMMAND,
                source="imported",
                imported_from=str(log.path),
                created_at=datetime.fromtimestamp(log.path.stat().st_mtime, UTC),
            )
            temporary = folder.spec.with_suffix(".yaml.tmp")
            spec.write(temporary)
            temporary.replace(folder.spec)
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
    except OSError as error:
        raise YoloqatError(f"cannot write the run: {error.strerror or error}", where=str(folder.path)) from error


def _name_of(path: Path) -> str:
    """The file's name as the name of a run."""
    name = "".join(char if char.isprintable() and char != "/" else "_" for char in path.stem).strip().lstrip("-")
    return name or "log"
