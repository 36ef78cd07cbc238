"""Index run folders: check each run as often as it needs."""

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError, SQLAlchemyError

from app.following.log_copier import LogCopier
from app.following.log_follower import LogFollower, Reading
from app.indexing.log_outcome import describe_log_end
from app.indexing.run_row import run_row
from app.indexing.sidecar_rows import ResultsFollower
from app.indexing.stamps import stamps
from app.indexing.usage import UsageFollower
from app.indexing.watch_end import end_watch
from app.workspace.run_names import read_name
from app.workspace.user_file import read_annotations, user_tags
from db.open import Store, file_connection
from db.reading.index import settled_stamps
from db.summary import refresh_summary
from db.tables import Run
from db.writer import delete_run, settle_run, write_broken, write_reason, write_result, write_run
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import ImportRecord
from engine.contracts.index_folder import may_write
from engine.contracts.result import StageResult
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.supervise.state.status import RunStatus, read_state

_LOG = logging.getLogger(__name__)
_OF_ONE_RUN = (IntegrityError, DataError, InterfaceError, ProgrammingError)
"""Errors of the store that come from what is written, not from the file that it is written to."""
DAMAGED_STAGE = "damaged"
"""In the place of the stage that a damaged specification does not tell."""
_DAMAGE_CHARACTERS = 200
_STATE_SECONDS = 0.5
"""How often to check the processes of a live run; its log is read each time."""


Readings = Mapping[tuple[str, int], Reading]
"""Logs that are parsed already, by run and attempt."""


@dataclass
class _RunEntry:
    """The state of a run between two passes."""

    stamp: str = ""
    """Stamp of its files once they are completely indexed; empty before."""
    spec: RunSpec | None = None
    copier: LogCopier | None = None
    """Copies the log of a watched run."""
    row: Run | None = None
    followers: dict[int, LogFollower] = field(default_factory=dict)
    usage: dict[int, UsageFollower] = field(default_factory=dict)
    results: ResultsFollower | None = None
    is_live: bool = True
    checked_at: float = -math.inf
    damage: str = ""
    """What is wrong with its specification."""
    broken: str = ""
    """Stamp of its files when they could not be read; the run is retried when they change."""

    @property
    def is_behind(self) -> bool:
        """Whether its watched log could not be copied to the end; copying is retried."""
        return self.copier is not None and self.copier.is_behind


class Indexer:
    """Keeps the index equal to the run folders. A lock allows only one per workspace."""

    def __init__(self, workspace: Workspace, store: Store, readings: Readings | None = None) -> None:
        self._workspace = workspace
        self._readings = readings or {}
        self._store = store
        self._entries: dict[str, _RunEntry] | None = None

    def index_runs(self, *, everywhere: bool, advance: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Index the runs that are live, new or not completely indexed.

        Args:
            everywhere: check ended runs, too: they may have been renamed, resumed or deleted.
            advance: called with the number of checked runs and that of all runs.

        Returns:
            The number of live runs.
        """
        if self._entries is None:
            self._entries = self._load()
        entries = self._entries
        folders = {folder.id: folder for folder in self._workspace.run_folders()}
        for run_id in entries.keys() - folders.keys():
            self._forget(run_id)
        for number, (run_id, folder) in enumerate(sorted(folders.items()), 1):
            entry = entries.setdefault(run_id, _RunEntry())
            if everywhere or entry.is_live or not entry.stamp:
                self._index_safely(folder, entry)
            advance(number, len(folders))
        return sum(entry.is_live for entry in entries.values())

    def _load(self) -> dict[str, _RunEntry]:
        with self._store.reading() as connection:
            stored = settled_stamps(connection)
        return {run_id: _RunEntry(stamp=stamp, is_live=state.is_live) for run_id, (stamp, state) in stored.items()}

    def _forget(self, run_id: str) -> None:
        """Delete the rows of a run whose folder is deleted."""
        assert self._entries is not None
        with self._store.writing(run_id) as connection:
            delete_run(connection, run_id)
        del self._entries[run_id]

    def _index_safely(self, folder: RunFolder, entry: _RunEntry) -> None:
        """Index a run; an unreadable one is recorded as broken and does not stop the others."""
        try:
            self._index_run(folder, entry)
        except SQLAlchemyError as error:
            if not isinstance(error, _OF_ONE_RUN):
                raise  # the database fails for all runs
            self._give_up(folder, entry, error)
        except Exception as error:
            self._give_up(folder, entry, error)

    def _give_up(self, folder: RunFolder, entry: _RunEntry, error: Exception) -> None:
        """Leave a run whose folder cannot be read as it is until one of its files changes; its row says why."""
        entry.followers.clear()
        entry.usage.clear()
        entry.results = None
        entry.is_live = False
        entry.broken = stamps(folder)
        with self._store.writing(folder.id) as connection:
            if entry.spec is not None:
                user, _ = read_annotations(folder)
                damage = f"its folder cannot be read: {_in_words(error)[:_DAMAGE_CHARACTERS]}"
                row = run_row(folder, entry.spec, user, read_state(folder), [damage])
                write_run(connection, row, entry.spec.parents, user_tags(user))
            write_broken(connection, folder.id, entry.broken, str(error))
        if isinstance(error, YoloqatError):
            _LOG.warning("%s cannot be read: %s", folder.id, error)
        else:
            _LOG.error("%s cannot be read", folder.id, exc_info=error)

    def _index_run(self, folder: RunFolder, entry: _RunEntry) -> None:
        now = time.monotonic()
        if entry.row is not None and entry.is_live and now - entry.checked_at < _STATE_SECONDS:
            self._read_logs(folder, entry)
            return
        entry.checked_at = now
        stamp = stamps(folder)
        if stamp in (entry.stamp, entry.broken):
            return
        damage = self._read_spec(folder, entry)
        assert entry.spec is not None
        user, user_damage = read_annotations(folder)
        status = self._state(folder, entry)
        entry.is_live = status.state.is_live
        damages = [part for part in (damage, user_damage) if part]
        self._write_row(entry, run_row(folder, entry.spec, user, status, damages), user_tags(user))
        self._read_logs(folder, entry)
        if not entry.is_live and not entry.is_behind:
            self._finish_run(folder, entry, status.attempt, stamp)

    def _read_spec(self, folder: RunFolder, entry: _RunEntry) -> str:
        """Read the specification, unless it is known; return what is wrong with it.

        A damaged one costs what it alone tells: the run keeps its row, its log and its results.
        """
        if entry.spec is not None and entry.is_live:
            return entry.damage
        try:
            entry.spec, entry.damage = RunSpec.read(folder.spec), ""
        except YoloqatError as error:
            name = read_name(folder)
            made = datetime.fromtimestamp(folder.path.stat().st_mtime, UTC)
            entry.spec = RunSpec(id=folder.id, name=name.name, stage=DAMAGED_STAGE, group=name.group, created_at=made)
            entry.damage = f"spec.yaml is damaged: {' '.join(error.what.split())[:_DAMAGE_CHARACTERS]}"
        return entry.damage

    def _state(self, folder: RunFolder, entry: _RunEntry) -> RunStatus:
        """Return the state. Copies an ended watched log to its end first: new bytes may show that it continues."""
        status = read_state(folder)
        assert entry.spec is not None
        if entry.spec.source != "watched" or not may_write(str(folder.path)):
            return status
        entry.copier = entry.copier or LogCopier(folder)
        while not status.state.is_live and entry.copier.copy_new_bytes():
            status = read_state(folder)
        if not status.state.is_live and not entry.is_behind and not entry.copier.is_over:
            end_watch(folder)
            entry.copier.finish()
        return status

    def _read_logs(self, folder: RunFolder, entry: _RunEntry) -> None:
        assert entry.row is not None
        if entry.copier is not None and entry.is_live:  # otherwise copied to its end, or behind
            entry.copier.copy_new_bytes()
        assert entry.spec is not None
        for attempt in folder.attempts():
            follower = entry.followers.get(attempt.number)
            if follower is None:
                reading = self._readings.get((folder.id, attempt.number))
                follower = LogFollower(folder.id, attempt.number, attempt.console, reading)
                entry.followers[attempt.number] = follower
            is_over = not (entry.is_live or entry.is_behind) or attempt.number < entry.row.attempt
            follower.update_index(self._store, finish=is_over)
            usage = entry.usage.get(attempt.number)
            if usage is None:
                usage = entry.usage[attempt.number] = UsageFollower(folder.id, attempt.number, attempt.system)
            usage.update_index(self._store, finish=is_over)
        entry.results = entry.results or ResultsFollower(folder, entry.spec)
        entry.results.update_index(self._store, finish=not entry.is_live)

    def _write_row(self, entry: _RunEntry, row: Run, tags: list[str]) -> None:
        assert entry.spec is not None
        if entry.row == row:
            return
        with self._store.writing(row.id) as connection:
            write_run(connection, row, entry.spec.parents, tags)
        entry.row = row

    def _finish_run(self, folder: RunFolder, entry: _RunEntry, attempt: int, stamp: str) -> None:
        """Write what is final after the end of a run; it is not read again until one of its files changes."""
        result = StageResult.read(folder.result) or _import_result(folder, entry)
        assert entry.spec is not None
        with self._store.writing(folder.id) as connection:
            if result is not None and attempt:
                write_result(connection, folder.id, attempt, result)
            refresh_summary(connection, folder.id, changed=())
            if entry.spec.source != "launched":
                write_reason(connection, folder.id, describe_log_end(file_connection(connection), folder.id))
            settle_run(connection, folder.id, stamp)
        entry.stamp = stamp
        entry.row = None
        entry.followers.clear()
        entry.usage.clear()
        entry.results = None


def _import_result(folder: RunFolder, entry: _RunEntry) -> StageResult | None:
    """Return the weights of an imported run as a result; None for a run without an import record."""
    record = ImportRecord.read(folder.imported)
    if record is None or entry.spec is None:
        return None
    return StageResult(stage=entry.spec.stage, seconds=0, inputs=record.inputs(), artifacts=record.artifacts())


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{os.path.basename(error.filename)} {error.strerror}"
    return " ".join(str(error).split())
