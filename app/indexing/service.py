"""Start the indexer process, or update or rebuild the index in this process."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.indexing.lock import holder, indexer_lock, is_older, lock_file, take_over
from db.migrations import HEAD
from db.place import index_file
from db.revision import stored_revision
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.files.programs import module_command
from engine.files.safe_open import open_append

if TYPE_CHECKING:
    from app.indexing.indexer import Readings
    from db.open import Store

_START_SECONDS = 30.0


@dataclass(frozen=True)
class ReindexReport:
    """The row counts of a rebuilt database."""

    runs: int
    epochs: int
    evaluations: int
    seconds: float
    backup_path: Path | None = None
    """Backup of the old file, if it was not a usable database."""


def ensure_indexer(workspace: Workspace) -> None:
    """Start the detached indexer unless one is running. It exits by itself when no run is live.

    Raises:
        YoloqatError: the indexer cannot be started, or the database cannot be used.
    """

    stored_revision(index_file(workspace))  # report an unusable database here, not only in the log of the indexer
    # An exiting indexer reads this time once more after it has released the lock.
    with lock_file(workspace) as lock:
        os.utime(lock)
    with indexer_lock(workspace) as is_ours:
        other = None if is_ours else holder(workspace)
        if not is_ours and (other is None or not other.is_here or not is_older(other)):
            return
    if other is not None:
        with take_over(workspace):
            pass
    command = module_command("app.indexing.process", "--workspace", str(workspace.path))
    log = workspace.indexer_log
    try:
        with open(open_append(log), "ab") as output:
            completed = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                timeout=_START_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _cannot_start(log, str(error)) from error
    if completed.returncode:
        raise _cannot_start(log, f"exit code {completed.returncode}")


def update_index(
    workspace: Workspace,
    readings: "Readings | None" = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Update the database, unless an indexer is running.

    Args:
        readings: logs that are parsed already.
        advance: called with the number of checked runs and that of all runs.

    Raises:
        YoloqatError: the database cannot be used.
    """
    from app.indexing.indexer import Indexer

    store = open_index(workspace)
    with indexer_lock(workspace) as is_ours, contextlib.closing(store):
        if is_ours:
            Indexer(workspace, store, readings).index_runs(everywhere=True, advance=advance)


def reindex(workspace: Workspace) -> ReindexReport:
    """Rebuild the database from the run folders and replace the old one, also for open screens.

    Raises:
        YoloqatError: a newer version has written the database, or it cannot be written.
    """
    from app.indexing.indexer import Indexer
    from db.open import open_store
    from db.reading.index import count_rows
    from db.replace import replace_database, usable

    started = time.monotonic()
    index = index_file(workspace)
    is_usable = usable(index)
    fresh = index.with_name(f"{index.name}.new")
    with _exclusive(workspace):
        for leftover in index.parent.glob(f"{fresh.name}*"):
            leftover.unlink()
        store = open_store(fresh)
        with contextlib.closing(store):
            Indexer(workspace, store).index_runs(everywhere=True)
            with store.reading() as connection:
                counts = count_rows(connection)
        backup_path = replace_database(fresh, index, in_place=is_usable)
        for leftover in index.parent.glob(f"{fresh.name}*"):
            leftover.unlink()
    return ReindexReport(*counts, seconds=time.monotonic() - started, backup_path=backup_path)


@contextlib.contextmanager
def _exclusive(workspace: Workspace) -> Iterator[None]:
    """Hold the indexer lock: stop a running indexer before, and start a new one after the block."""
    with take_over(workspace) as was_held:
        yield
    if was_held:
        ensure_indexer(workspace)


def open_index(workspace: Workspace) -> "Store":
    """Open the database. Stops an older indexer before a migration, because it would write the old columns.

    Raises:
        YoloqatError: the database cannot be used, or the old indexer does not stop.
    """
    from db.open import open_store

    if stored_revision(index_file(workspace)) not in (None, HEAD):
        with _exclusive(workspace):
            open_store(index_file(workspace)).close()
    return open_store(index_file(workspace))


def _cannot_start(log: Path, why: str) -> YoloqatError:
    return YoloqatError(f"cannot start the indexer: {why}", where=str(log), hint=f"See the end of {log}.")
