"""The program `app.indexing.process --workspace DIR`: index live runs, and exit when there are none.

Daemonizes on start, so the caller neither blocks nor has to reap it.
"""

import argparse
import fcntl
import logging
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from app.indexing.lock import is_in_place, lock_file, write_holder
from db.revision import NewerDatabaseError, stored_revision
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace

POLL_SECONDS = 0.2
CHECK_ALL_SECONDS = 3.0
IDLE_SECONDS = 5.0
"""How long it keeps running after the last run has ended."""
_LOCK_SECONDS = 10.0
_RETRY_SECONDS = 5.0


class Loop:
    """The main loop of the indexer. A signal ends it after the current pass."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._is_needed = True
        self._answered_at = 0
        """The time of the request that the last pass over all runs has answered."""
        self._lock = -1
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def run(self) -> None:
        """Index until no run is live, another indexer holds the lock, or the workspace is gone."""
        while self._is_needed:
            with lock_file(self._workspace) as lock:
                if not self._take_lock(lock):
                    return
                self._lock = lock
                if not self._is_in_place():  # the folder was deleted between opening and locking
                    return
                write_holder(self._workspace, lock)
                self._follow()
                if not self._is_in_place():
                    return
            # A request that came while this one still held the lock must be answered.
            if self._requested_at() == self._answered_at:
                return

    def _take_lock(self, lock: int) -> bool:
        """Take the lock, which a command may hold briefly to update the index."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while self._is_needed:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(POLL_SECONDS)
            else:
                return True
        return False

    def _follow(self) -> None:
        """Index until no run is live, and retry when the database fails."""
        from sqlalchemy.exc import SQLAlchemyError

        while self._is_needed and self._is_in_place():
            try:
                if self._index():
                    return
            except NewerDatabaseError as error:
                logging.warning("%s; leaving it to that version", error)
                self._is_needed = False
            except (SQLAlchemyError, YoloqatError, OSError):
                if not self._is_in_place():
                    return
                logging.exception("the database failed; trying again in %.0f s", _RETRY_SECONDS)
                self._sleep(_RETRY_SECONDS)

    def _index(self) -> bool:
        """Index in passes; return True when no run is live, False when the database file was replaced."""
        from contextlib import closing

        from app.following.file_stamps import stamp_of
        from app.indexing.indexer import Indexer
        from db.open import open_store
        from db.place import index_file

        database = index_file(self._workspace)
        with closing(open_store(database)) as store:
            indexer = Indexer(self._workspace, store)
            database_stamp = stamp_of(database)
            everywhere_at, busy_at = 0.0, time.monotonic()
            while self._is_needed and self._is_in_place():
                requested_at = self._requested_at()
                answered_at = self._answered_at
                everywhere = time.monotonic() >= everywhere_at or requested_at != answered_at
                if everywhere:
                    self._answered_at = requested_at
                    everywhere_at = time.monotonic() + CHECK_ALL_SECONDS
                    now = stamp_of(database)
                    if now is None or database_stamp is None or now[0] != database_stamp[0]:
                        return False
                    stored_revision(database)  # a newer version may have migrated it from another machine
                if indexer.index_runs(everywhere=everywhere) or requested_at != answered_at:
                    busy_at = time.monotonic()
                if time.monotonic() - busy_at > IDLE_SECONDS:
                    return True
                time.sleep(POLL_SECONDS)
        return True

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._is_needed and self._is_in_place() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _is_in_place(self) -> bool:
        """Whether the lock file is still that of the workspace; otherwise another indexer may be running."""
        return is_in_place(self._workspace, self._lock)

    def _requested_at(self) -> int:
        try:
            return self._workspace.indexer_lock.stat().st_mtime_ns
        except OSError:
            return 0

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._is_needed = False


def main() -> None:
    """Detach, then index."""
    parser = argparse.ArgumentParser(prog="app.indexing.process")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground")
    arguments = parser.parse_args()
    if not arguments.foreground and os.fork():
        os._exit(0)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        Loop(Workspace(arguments.workspace)).run()
    except (YoloqatError, OSError) as error:  # the workspace is read-only or gone
        logging.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
