"""The index of the run folders: kept by a process of its own while runs live, or brought up to date on demand."""

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
    """What a rebuilt database holds."""

    runs: int
    epochs: int
    evaluations: int
    seconds: float
    backup_path: Path | None = None
    """The file that was there before, where it was no database that could be rebuilt in place."""


def ensure_indexer(workspace: Workspace) -> None:
    """See to it that an indexer runs, detached. It goes by itself when no run lives.

    Raises:
        YoloqatError: it cannot be started, or the database cannot be used.
    """

    stored_revision(index_file(workspace))  # what cannot be used is told here, not in a log that nobody sees
    # One that is about to go looks at this time once more after it has let the lock go.
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
    log = workspace.path / "indexer.log"
    try:
        with open(open_append(log), "ab") as output:
            done = subprocess.run(
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
    if done.returncode:
        raise _cannot_start(log, f"exit code {done.returncode}")


def update_index(
    workspace: Workspace,
    read: "Readings | None" = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Bring the database up to date, unless an indexer is at it.

    Args:
        read: logs that have just been read, and need not be read again.
        advance: called with how many runs have been looked at, and how many there are.

    Raises:
        YoloqatError: the database cannot be used.
    """
    from app.indexing.indexer import Indexer

    store = open_index(workspace)
    with indexer_lock(workspace) as is_ours, contextlib.closing(store):
        if is_ours:
            Indexer(workspace, store, read).index_runs(everywhere=True, advance=advance)


def reindex(workspace: Workspace) -> ReindexReport:
    """Build the database anew from the run folders and put it in the place of the old one, for open screens, too.

    Raises:
        YoloqatError: a newer version has written the database, or it cannot be written.
    """
    from app.indexing.indexer import Indexer
    from db.open import open_store
    from db.reading.index import count_rows
    from db.replace import replace_database, usable

    began = time.monotonic()
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
    return ReindexReport(*counts, seconds=time.monotonic() - began, backup_path=backup_path)


@contextlib.contextmanager
def _exclusive(workspace: Workspace) -> Iterator[None]:
    """Hold the indexer's lock; a running indexer is asked to go, and another one started afterwards."""
    with take_over(workspace) as was_held:
        yield
    if was_held:
        ensure_indexer(workspace)


def open_index(workspace: Workspace) -> "Store":
    """Open the database. Before one of an older version is migrated, the indexer of that version is asked to go.

    It would go on writing the columns that it knows.

    Raises:
        YoloqatError: the database cannot be used, or that indexer does not go.
    """
    from db.open import open_store

    if stored_revision(index_file(workspace)) not in (None, HEAD):
        with _exclusive(workspace):
            open_store(index_file(workspace)).close()
    return open_store(index_file(workspace))


def _cannot_start(log: Path, why: str) -> YoloqatError:
    return YoloqatError(f"the indexer cannot be started: {why}", where=str(log), hint=f"See the end of {log}.")
