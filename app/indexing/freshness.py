"""Whether the index is current, told by a few `stat` calls per run; and what is done where it is not.

Whoever reads never indexes: it asks the indexer's process to, waits a few seconds, and then shows what there is and
says how old that is.
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
"""How long a command waits for the indexer before it shows what there is, unless the variable says otherwise."""
WAIT_VARIABLE = "YOLOQAT_INDEX_WAIT"
_LOOK_SECONDS = 0.05
_ASK_SECONDS = 1.0
"""How often the indexer is asked for again meanwhile: the one that was there may have been about to go."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the index is behind the run folders."""

    runs: int
    """Runs that have not been read as they are now."""
    seconds: float
    """Since the oldest change that has not been read."""


def refresh(
    workspace: Workspace, run_ids: Collection[str] | None = None, *, wait_seconds: float | None = None
) -> Lag | None:
    """See to it that the index is current, by the indexer's process. Starts nothing where it is.

    Args:
        run_ids: the runs that matter; all when None.
        wait_seconds: how long to wait for the indexer; as long as commands do when None.

    Returns:
        How far the index is behind then; None where it is current.

    Raises:
        YoloqatError: the database cannot be used, or the indexer cannot be started.
    """
    index, folders = _look(workspace, run_ids)
    # A log that grows faster than it is read must not be waited for: what it holds now is enough.
    sizes = {run_id: _log_size(folders[run_id], index.runs[run_id]) for run_id in folders.keys() & index.runs.keys()}
    stale = _stale(workspace, index, folders, sizes)
    if not stale:
        if any(indexed_run.state.is_live for indexed_run in index.runs.values()) and not is_followed(workspace):
            start_indexer(workspace)
        return None
    deadline = time.monotonic() + (_wait_seconds() if wait_seconds is None else wait_seconds)
    requested_at = 0.0
    while stale and not is_full(workspace.path):
        now = time.monotonic()
        if now - requested_at > _ASK_SECONDS:
            start_indexer(workspace)
            requested_at = now
        if now >= deadline:
            break
        time.sleep(_LOOK_SECONDS)
        stale = _stale(workspace, *_look(workspace, stale), sizes)
    return Lag(len(stale), max(time.time() - min(stale.values()), 0.0)) if stale else None


def _wait_seconds() -> float:
    try:
        return float(os.environ[WAIT_VARIABLE])
    except (KeyError, ValueError):
        return WAIT_SECONDS


def is_followed(workspace: Workspace) -> bool:
    """Whether an indexer is at work."""
    from app.indexing.lock import indexer_lock

    with indexer_lock(workspace) as is_ours:
        return not is_ours


def start_indexer(workspace: Workspace) -> None:
    """Start the indexer's process, or wake the one that is there."""
    from app.indexing.service import ensure_indexer

    ensure_indexer(workspace)


def _look(workspace: Workspace, run_ids: Collection[str] | None) -> tuple[Index, dict[str, RunFolder]]:
    """What the index knows, and the folders that there are; of some runs, or of all."""
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
    """Run id → since when the index does not know the run as it is.

    Args:
        sizes: how far the logs of live runs must have been read.
    """
    stale = {}
    for run_id, folder in folders.items():
        indexed = index.runs.get(run_id)
        if not _is_read(folder, indexed, index.broken.get(run_id), sizes.get(run_id, 0)):
            stale[run_id] = _changed_at(workspace, folder, indexed)
    for run_id in index.runs.keys() - folders.keys():
        stale[run_id] = workspace.runs.stat().st_mtime
    return stale


def _is_read(folder: RunFolder, indexed: IndexedRun | None, broken: str | None, size: int) -> bool:
    """Whether everything that is in the folder now has been read, as far as it can be."""
    if indexed is not None and indexed.stamps:
        return stamps(folder) in (indexed.stamps, broken)
    if indexed is not None and indexed.state.is_live:
        return _is_read_so_far(folder, indexed, size)
    return broken is not None and stamps(folder) == broken


def _is_read_so_far(folder: RunFolder, indexed: IndexedRun, size: int) -> bool:
    """Whether a run lives on as the index knows it, and so much of its log has been read."""
    from engine.supervise.state import read_state

    if newest_attempt(folder) != indexed.attempt or not read_state(folder).state.is_live:
        return False
    return min(size, _log_size(folder, indexed)) <= indexed.offset


def _log_size(folder: RunFolder, indexed: IndexedRun) -> int:
    """Bytes of the newest log of a live run; 0 for one that has ended, whose stamps tell more."""
    stamp = stamp_of(folder.attempt(indexed.attempt).console) if indexed.state.is_live else None
    return stamp[1] if stamp is not None else 0


def _changed_at(workspace: Workspace, folder: RunFolder, indexed: IndexedRun | None) -> float:
    """When what has not been read was written. A log that grows has done so since the index was written last."""
    index, attempt = index_file(workspace), folder.attempt(newest_attempt(folder))
    if indexed is not None and indexed.state.is_live:
        files = [index, index.with_name(f"{index.name}-wal")]
    else:
        files = [folder.spec, folder.user, folder.result, attempt.outcome, attempt.console]
    return max((stamp[2] / 1e9 for path in files if (stamp := stamp_of(path)) is not None), default=time.time())
