"""Imported runs: find existing ones, write new ones, add new bytes to existing ones."""

import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from app.discovery.group_files import EVENT_FILE, LOG, RESULTS, DiscoveredRun, Piece
from app.discovery.source_files import hash_source_file, hash_weights
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import BESIDE, ImportRecord, SourceFile, storable
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.watching import WatchRecord
from engine.files.atomic import atomic_stream
from engine.files.safe_open import open_append, open_regular
from engine.logs.containers.open_contents import open_contents

_READ_BYTES = 1 << 20
_RANKS = {EVENT_FILE: 0, RESULTS: 1, LOG: 2}
"""A source of higher rank replaces one of lower rank, because it has more detail."""


class ImportedRuns:
    """The imported runs of a workspace, by folder, source and content."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._records: dict[str, ImportRecord] = {}
        self._by_folder: dict[str, str] = {}
        self._by_source: dict[tuple[str, int], str] = {}
        self._by_content: dict[str, str] = {}
        self._without_record: list[RunFolder] = []
        for folder in sorted(workspace.run_folders(), key=lambda folder: folder.id):
            record = ImportRecord.read(folder.imported)
            if record is not None:
                self.add(folder.id, record)
            elif not folder.attempt(1).launch.exists():
                self._without_record.append(folder)

    def add(self, run_id: str, record: ImportRecord) -> None:
        """Add a run, or replace its record."""
        self._records[run_id] = record
        if record.folder:
            self._by_folder[record.folder] = run_id
        for file in record.consoles():
            self._by_source[file.path, file.begins] = run_id
        for file in record.files:
            if file.attempt and file.size:
                self._by_content[file.sha256] = run_id

    def record(self, run_id: str) -> ImportRecord:
        """Return the record of a run; an empty one if an older version imported it."""
        return self._records.get(run_id) or ImportRecord()

    def find(self, run: DiscoveredRun) -> str | None:
        """Find the imported run that this one equals or continues; None for a new run."""
        candidates = [self._by_folder.get(storable(run.folder.absolute()))] if run.folder else []
        candidates += [self._by_source.get((storable(p.file.path.absolute()), p.part.begins)) for p in run.consoles]
        for run_id in dict.fromkeys(candidates):
            if run_id is not None and self._has_grown_into(run_id, run):
                return run_id
        for piece in run.consoles:
            run_id = self._by_content.get(piece.part.sha256) or self._find_by_bytes(piece)
            if run_id is not None and piece.part.size:
                return run_id
        return None

    def _has_grown_into(self, run_id: str, run: DiscoveredRun) -> bool:
        """Whether each imported log is a prefix of the same attempt's log, or results that a log replaces."""
        consoles = self.record(run_id).consoles()
        known_hashes = {file.sha256 for file in consoles}
        if len(consoles) > len(run.consoles):
            return known_hashes.issuperset(piece.part.sha256 for piece in run.consoles)
        for file, piece in zip(consoles, run.consoles, strict=False):
            if piece.part.sha256 in known_hashes or _RANKS[piece.role] > _RANKS[file.role]:
                continue
            if (
                _RANKS[piece.role] < _RANKS[file.role]
                or file.size > piece.part.size
                or hash_of(piece, file.size) != file.sha256
            ):
                return False
        return True

    def _find_by_bytes(self, piece: Piece) -> str | None:
        """Find a run without a record whose log has the same content."""
        for folder in self._without_record:
            console = folder.attempt(1).console
            try:
                if console.stat().st_size != piece.part.size:
                    continue
                with open_regular(console) as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() == piece.part.sha256:
                        return folder.id
            except OSError:
                continue
        return None


def active_watch(folder: RunFolder) -> WatchRecord | None:
    """Return the record of a run whose log is being watched; None otherwise."""
    attempts = folder.attempts()
    watch = WatchRecord.read(attempts[-1].watch) if attempts else None
    return watch if watch is not None and watch.ended_at is None else None


def updated_record(run: DiscoveredRun, before: ImportRecord) -> ImportRecord | None:
    """Return the record of a run with its present files; None if nothing has changed."""
    files = _source_files(run, before)
    known_hashes = {file.sha256 for file in before.files}
    if before.files and known_hashes.issuperset(file.sha256 for file in files):
        return None
    paths = {file.path for file in files}
    files += [file for file in before.files if file.path not in paths and not file.attempt]
    folder = storable(run.folder.absolute()) if run.folder else before.folder
    return ImportRecord(folder=folder, files=files)


def _source_files(run: DiscoveredRun, before: ImportRecord) -> list[SourceFile]:
    """Return the files of a run with their hashes; unchanged weights are not read again."""
    files = [_source(piece, piece.role, attempt) for attempt, piece in enumerate(run.consoles, 1)]
    if run.results is not None and run.results not in run.consoles:
        files.append(_source(run.results, BESIDE, len(run.consoles)))
    files += [hash_source_file(path, "options", before) for path in run.option_files]
    return files + hash_weights(run, before)


def write_new_run(workspace: Workspace, run_id: str, name: str, run: DiscoveredRun, record: ImportRecord) -> None:
    """Write a new run. The specification makes it a run, so it is last; an earlier failure removes the folder."""
    folder = workspace.run(run_id)
    try:
        try:
            folder.attempt(1).path.mkdir(parents=True)
            write_files(folder, run)
            record.write(folder.imported)
            _write_spec(folder, run, name)
        except BaseException:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
    except OSError as error:
        raise YoloqatError(f"cannot write the run: {error.strerror or error}", where=str(folder.path)) from error


def write_changes(workspace: Workspace, run_id: str, run: DiscoveredRun, record: ImportRecord) -> None:
    """Update an existing run to the present state of its files."""
    folder = workspace.run(run_id)
    try:
        write_files(folder, run)
        spec = RunSpec.read(folder.spec)
        if (run.options and spec.options != run.options) or (run.watch and spec.source != "watched"):
            _write_spec(folder, run, spec.name, spec)
        record.write(folder.imported)
    except OSError as error:
        raise YoloqatError(f"cannot write the run: {error.strerror or error}", where=str(folder.path)) from error


def write_files(folder: RunFolder, run: DiscoveredRun) -> None:
    """Append to the copies of the logs what they lack. Sidecar results are not copied: the index stores them."""
    for number, piece in enumerate(run.consoles, 1):
        attempt = folder.attempt(number)
        attempt.path.mkdir(exist_ok=True)
        _update_copy(piece, attempt.console)
        if piece.file.containers:
            _keep_original(piece.file.path, attempt.path)
    if not run.consoles:
        folder.attempt(1).console.touch()
    if run.watch is not None:
        run.watch.write(folder.attempts()[-1].watch)


def _keep_original(path: Path, folder: Path) -> None:
    """Copy the file that a log was in, beside the log: `original.gz`."""
    with open_regular(path, follow=True) as source, atomic_stream(folder / f"original{path.suffix}") as target:
        shutil.copyfileobj(source, target)


def hash_of(piece: Piece, size: int) -> str:
    """Return the SHA-256 of the first bytes of a piece."""
    digest = hashlib.sha256()
    for chunk in _chunks(piece, 0, size):
        digest.update(chunk)
    return digest.hexdigest()


def _update_copy(piece: Piece, target: Path) -> None:
    """Append what a copy lacks; rewrite it if it is no prefix of the original."""
    copied_size = target.stat().st_size if target.exists() else 0
    if copied_size and copied_size <= piece.part.size:
        with open_regular(target) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == hash_of(piece, copied_size):
                with open(open_append(target), "ab") as output:
                    output.writelines(_chunks(piece, copied_size, piece.part.size))
                return
    with atomic_stream(target) as output:
        output.writelines(_chunks(piece, 0, piece.part.size))


def _chunks(piece: Piece, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a piece; later bytes of the file are left for the next import."""
    with open_contents(piece.file.path) as contents:
        contents.file.seek(piece.part.begins + start)
        remaining = end - start
        while remaining > 0 and (chunk := contents.file.read(min(remaining, _READ_BYTES))):
            remaining -= len(chunk)
            yield chunk


def _write_spec(folder: RunFolder, run: DiscoveredRun, name: str, before: RunSpec | None = None) -> None:
    if before is not None:
        source = "watched" if run.watch else before.source
        spec = before.model_copy(update={"options": run.options or before.options, "source": source})
    else:
        origin = run.folder or run.consoles[0].file.path
        spec = RunSpec(
            id=folder.id,
            name=name,
            stage=COMMAND,
            options=run.options,
            command=run.command,
            cwd=run.cwd,
            source="watched" if run.watch else "imported",
            imported_from=str(origin.absolute()),
            created_at=run.watch.started_at if run.watch else datetime.fromtimestamp(_created(run), UTC),
        )
    spec.write(folder.spec)


def _created(run: DiscoveredRun) -> float:
    """Return the start time: that of the option files, which trainers write first; else the last write of the log."""
    started = [path.stat().st_mtime for path in run.option_files]
    return min(started) if started else max((p.file.modified_ns / 1e9 for p in run.consoles), default=0.0)


def _source(piece: Piece, role: str, attempt: int) -> SourceFile:
    return SourceFile(
        path=storable(piece.file.path.absolute()),
        role=role,
        size=piece.part.size,
        sha256=piece.part.sha256,
        modified_ns=piece.file.modified_ns,
        attempt=attempt,
        begins=piece.part.begins,
    )
