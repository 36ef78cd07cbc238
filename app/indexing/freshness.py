"""Check with a few `stat` calls per run whether the index is current, and have it updated if not.

Readers never index: they start or wake the indexer process, wait a few seconds, then show the index as it is and
how old it is.
"""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.following.file_stamps import stamp_of
from app.indexing.stamps import newest_attempt, stamps
from db.place import index_file
from db.reading.database import reading
from db.reading.index import NOTHING, Index, IndexedRun, read_index
from db.space import is_full
from engine.contracts.run_folder import RunFolder, Workspace

WAIT_SECONDS = 5.0
"""How long a command waits for the indexer, unless `WAIT_VARIABLE` is set."""
WAIT_VARIABLE = "YOLOQAT_INDEX_WAIT"
_POLL_SECONDS = 0.05
_RESTART_SECONDS = 1.0
"""How often to start or wake the indexer again while waiting: it may have been exiting."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the index is behind the run folders."""

    runs: int
    """The number of runs whose latest state is not indexed."""
    seconds: float
    """The age of the oldest change that is not indexed."""


def refresh(
    workspace: Workspace, run_ids: Collection[str] | None = None, *, wait_seconds: float | None = None
) -> Lag | None:
    """Wait until the indexer process has made the index current. Starts no process if it is current.

    Args:
        run_ids: the runs that must be current; all when None.
        wait_seconds: limit of the wait; None for the default of commands.

    Returns:
        How far the index is behind after that; None if it is current.

    Raises:
        YoloqatError: the database cannot be read, or the indexer cannot be started.
    """
    index, folders = _read_index_and_folders(workspace, run_ids)
    # Wait for the present size only: a log may grow faster than it is read.
    sizes = {run_id: _log_size(folders[run_id], index.runs[run_id]) for run_id in folders.keys() & index.runs.keys()}
    stale = _stale(workspace, index, folders, sizes)
    if not stale:
        if any(indexed_run.state.is_live for indexed_run in index.runs.values()) and not is_indexer_running(workspace):
            start_indexer(workspace)
        return None
    deadline = time.monotonic() + (_wait_seconds() if wait_seconds is None else wait_seconds)
    requested_at = 0.0
    while stale and not is_full(workspace.index_folder):
        now = time.monotonic()
        if now - requested_at > _RESTART_SECONDS:
            start_indexer(workspace)
            requested_at = now
        if now >= deadline:
            break
        time.sleep(_POLL_SECONDS)
        stale = _stale(workspace, *_read_index_and_folders(workspace, stale), sizes)
    return Lag(len(stale), max(time.time() - min(stale.values()), 0.0)) if stale else None


def _wait_seconds() -> float:
    try:
        return float(os.environ[WAIT_VARIABLE])
    except (KeyError, ValueError):
        return WAIT_SECONDS


def is_indexer_running(workspace: Workspace) -> bool:
    """Whether an indexer is running."""
    from app.indexing.lock import indexer_lock

    with indexer_lock(workspace) as is_ours:
        return not is_ours


def start_indexer(workspace: Workspace) -> None:
    """Start the indexer process, or wake the running one."""
    from app.indexing.service import ensure_indexer

    ensure_indexer(workspace)


def _read_index_and_folders(
    workspace: Workspace, run_ids: Collection[str] | None
) -> tuple[Index, dict[str, RunFolder]]:
    """Read the index and list the run folders, of some or all runs."""
    only = next(iter(run_ids)) if run_ids is not None and len(run_ids) == 1 else None
    with reading(index_file(workspace)) as connection:
        index = NOTHING if connection is None else read_index(connection, only)
    if run_ids is None:
        return index, {folder.id: folder for folder in workspace.run_folders()}
    runs = {run_id: index.runs[run_id] for run_id in run_ids if run_id in index.runs}
    folders = {run_id: workspace.run(run_id) for run_id in run_ids if workspace.run(run_id).is_run}
    return Index(index.version, runs, index.broken), folders


def _stale(
    workspace: Workspace, index: Index, folders: dict[str, RunFolder], sizes: Mapping[str, int]
) -> dict[str, float]:
    """Return run id → time of its oldest change that is not indexed.

    Args:
        sizes: bytes of the logs of live runs that must be indexed.
    """
    stale = {}
    for run_id, folder in folders.items():
        indexed = index.runs.get(run_id)
        if not _is_indexed(folder, indexed, index.broken.get(run_id), sizes.get(run_id, 0)):
            stale[run_id] = _changed_at(workspace, folder, indexed)
    for run_id in index.runs.keys() - folders.keys():
        stale[run_id] = workspace.runs.stat().st_mtime
    return stale


def _is_indexed(folder: RunFolder, indexed: IndexedRun | None, broken: str | None, size: int) -> bool:
    """Whether the present contents of the folder are indexed, as far as they are readable."""
    if indexed is not None and indexed.stamps:
        return stamps(folder) in (indexed.stamps, broken)
    if indexed is not None and indexed.state.is_live:
        return _is_live_log_indexed(folder, indexed, size)
    return broken is not None and stamps(folder) == broken


def _is_live_log_indexed(folder: RunFolder, indexed: IndexedRun, size: int) -> bool:
    """Whether a live run is still in its indexed attempt, with `size` bytes of its log indexed."""
    from engine.supervise.state.status import read_state

    if newest_attempt(folder) != indexed.attempt or not read_state(folder).state.is_live:
        return False
    return min(size, _log_size(folder, indexed)) <= indexed.offset


def _log_size(folder: RunFolder, indexed: IndexedRun) -> int:
    """Return the size of the newest log of a live run; 0 for an ended one, which is compared by stamps."""
    stamp = stamp_of(folder.attempt(indexed.attempt).console) if indexed.state.is_live else None
    return stamp[1] if stamp is not None else 0


def _changed_at(workspace: Workspace, folder: RunFolder, indexed: IndexedRun | None) -> float:
    """Return when the unindexed change was written; for a growing log, the last write of the index."""
    index, attempt = index_file(workspace), folder.attempt(newest_attempt(folder))
    if indexed is not None and indexed.state.is_live:
        files = [index, index.with_name(f"{index.name}-wal")]
    else:
        files = [folder.spec, folder.user, folder.result, attempt.outcome, attempt.console]
    return max((stamp[2] / 1e9 for path in files if (stamp := stamp_of(path)) is not None), default=time.time())
