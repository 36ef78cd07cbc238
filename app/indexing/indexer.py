"""Run folders → store: one look at each run, as often as it needs one."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from app.following.log_copier import LogCopier
from app.following.log_follower import LogFollower, Reading
from app.indexing.log_outcome import describe_log_end
from app.indexing.run_row import run_row
from app.indexing.sidecar_rows import ResultsFollower
from app.indexing.stamps import stamps
from app.indexing.usage import UsageFollower
from app.indexing.watch_end import end_watch
from app.workspace.user_file import read_user, user_tags
from db.open import Store, file_connection
from db.reading.index import settled_stamps
from db.summary import refresh_summary
from db.tables import Run
from db.writer import delete_run, settle_run, write_broken, write_reason, write_result, write_run
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import ImportRecord
from engine.contracts.result import StageResult
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.supervise.state import RunStatus, read_state

_LOG = logging.getLogger(__name__)
_STATE_SECONDS = 0.5
"""How often a live run's processes are looked at; its log is looked at each time."""


Readings = Mapping[tuple[str, int], Reading]
"""Logs that have been read already, by run and attempt."""


@dataclass
class _RunMemory:
    """What is remembered of a run between two looks."""

    stamp: str = ""
    """Its files when everything in them had been read; empty as long as that isn't so."""
    spec: RunSpec | None = None
    copier: LogCopier | None = None
    """Copies the log of a process that was not started here."""
    row: Run | None = None
    followers: dict[int, LogFollower] = field(default_factory=dict)
    usage: dict[int, UsageFollower] = field(default_factory=dict)
    results: ResultsFollower | None = None
    is_live: bool = True
    looked_at: float = -math.inf
    broken: str = ""
    """Its files when they could not be read: it is not tried again before they change."""

    @property
    def is_behind(self) -> bool:
        """Whether its log is another program's and could not be copied to its end: that is tried again."""
        return self.copier is not None and self.copier.is_behind


class Indexer:
    """Keeps the store equal to the run folders. There is only one per workspace at a time."""

    def __init__(self, workspace: Workspace, store: Store, read: Readings | None = None) -> None:
        self._workspace = workspace
        self._read = read or {}
        self._store = store
        self._memory_by_run: dict[str, _RunMemory] | None = None

    def index_runs(self, *, everywhere: bool, advance: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Look at the runs that live, are new, or have not been read to their end.

        Args:
            everywhere: at those that have ended, too: they may have been renamed, resumed or deleted.
            advance: called with how many runs have been looked at, and how many there are.

        Returns:
            How many runs live.
        """
        if self._memory_by_run is None:
            self._memory_by_run = self._load()
        memory_by_run = self._memory_by_run
        folders = {folder.id: folder for folder in self._workspace.run_folders()}
        for run_id in memory_by_run.keys() - folders.keys():
            self._forget(run_id)
        for number, (run_id, folder) in enumerate(sorted(folders.items()), 1):
            entry = memory_by_run.setdefault(run_id, _RunMemory())
            if everywhere or entry.is_live or not entry.stamp:
                self._look_safely(folder, entry)
            advance(number, len(folders))
        return sum(entry.is_live for entry in memory_by_run.values())

    def _load(self) -> dict[str, _RunMemory]:
        with self._store.reading() as connection:
            stored = settled_stamps(connection)
        return {run_id: _RunMemory(stamp=stamp, is_live=state.is_live) for run_id, (stamp, state) in stored.items()}

    def _forget(self, run_id: str) -> None:
        """Its folder has been deleted."""
        assert self._memory_by_run is not None
        with self._store.writing(run_id) as connection:
            delete_run(connection, run_id)
        del self._memory_by_run[run_id]

    def _look_safely(self, folder: RunFolder, entry: _RunMemory) -> None:
        """One broken run must not keep the others from being read."""
        try:
            self._look_at(folder, entry)
        except SQLAlchemyError:
            raise  # the store fails for all of them
        except Exception as error:
            entry.followers.clear()
            entry.usage.clear()
            entry.results = None
            entry.is_live = False
            entry.broken = stamps(folder)
            with self._store.writing(folder.id) as connection:
                write_broken(connection, folder.id, entry.broken, str(error))
            if isinstance(error, YoloqatError):
                _LOG.warning("%s cannot be read: %s", folder.id, error)
            else:
                _LOG.exception("%s cannot be read", folder.id)

    def _look_at(self, folder: RunFolder, entry: _RunMemory) -> None:
        now = time.monotonic()
        if entry.row is not None and entry.is_live and now - entry.looked_at < _STATE_SECONDS:
            self._read_logs(folder, entry)
            return
        entry.looked_at = now
        stamp = stamps(folder)
        if stamp in (entry.stamp, entry.broken):
            return
        if entry.spec is None or not entry.is_live:
            entry.spec = RunSpec.read(folder.spec)
        user = read_user(folder)
        status = self._state(folder, entry)
        entry.is_live = status.state.is_live
        self._write_row(entry, run_row(entry.spec, user, status, stamp=""), user_tags(user))
        self._read_logs(folder, entry)
        if not entry.is_live and not entry.is_behind:
            self._finish_run(folder, entry, status.attempt, stamp)

    def _state(self, folder: RunFolder, entry: _RunMemory) -> RunStatus:
        """The state; a watched log that has ended is copied to its end first, which may show that it goes on."""
        status = read_state(folder)
        assert entry.spec is not None
        if entry.spec.source != "watched":
            return status
        entry.copier = entry.copier or LogCopier(folder)
        while not status.state.is_live and entry.copier.copy_new_bytes():
            status = read_state(folder)
        if not status.state.is_live and not entry.is_behind and not entry.copier.is_over:
            end_watch(folder)
            entry.copier.finish()
        return status

    def _read_logs(self, folder: RunFolder, entry: _RunMemory) -> None:
        assert entry.row is not None
        if entry.copier is not None and entry.is_live:  # else it was copied to its end, or is behind
            entry.copier.copy_new_bytes()
        assert entry.spec is not None
        for attempt in folder.attempts():
            follower = entry.followers.get(attempt.number)
            if follower is None:
                reading = self._read.get((folder.id, attempt.number))
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

    def _write_row(self, entry: _RunMemory, row: Run, tags: list[str]) -> None:
        assert entry.spec is not None
        if entry.row == row:
            return
        with self._store.writing(row.id) as connection:
            write_run(connection, row, entry.spec.parents, tags)
        entry.row = row

    def _finish_run(self, folder: RunFolder, entry: _RunMemory, attempt: int, stamp: str) -> None:
        """What is known only once a run has ended. After that it is left alone until one of its files changes."""
        result = StageResult.read(folder.result) or _of_import(folder, entry)
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


def _of_import(folder: RunFolder, entry: _RunMemory) -> StageResult | None:
    """The weights of an imported run, where its trainer left them; None of a run without a record."""
    record = ImportRecord.read(folder.imported)
    if record is None or entry.spec is None:
        return None
    return StageResult(stage=entry.spec.stage, seconds=0, inputs=record.inputs(), artifacts=record.artifacts())
