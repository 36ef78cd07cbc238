"""`app.indexing.process --workspace DIR` as a program: follows the logs of live runs into the store, then goes.

Starts by putting itself into the background, so that whoever started it neither waits for it nor has to bury it.
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
LOOK_EVERYWHERE_SECONDS = 3.0
IDLE_SECONDS = 5.0
"""How long it stays after the last run has ended."""
_PATIENCE_SECONDS = 10.0
_RETRY_SECONDS = 5.0


class Loop:
    """The indexer's life. Signals end it after the look that it is at."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._is_needed = True
        self._answered_at = 0
        """When the last look at all runs had been asked for."""
        self._lock = -1
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def run(self) -> None:
        """Index as long as anybody may need it, no other indexer does it, and the workspace is there."""
        while self._is_needed:
            with lock_file(self._workspace) as lock:
                if not self._take(lock):
                    return
                self._lock = lock
                if not self._is_in_place():  # its folder was deleted between the opening and the locking
                    return
                write_holder(self._workspace, lock)
                self._follow()
                if not self._is_in_place():
                    return
            # Whoever asked for an indexer while this one still held the lock relies on it.
            if self._requested_at() == self._answered_at:
                return

    def _take(self, lock: int) -> bool:
        """Take the lock. It may be held for a moment by a command that brings the store up to date."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
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
        """Index until no run lives, however often the store fails meanwhile."""
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
                logging.exception("the store failed; trying again in %.0f s", _RETRY_SECONDS)
                self._sleep(_RETRY_SECONDS)

    def _index(self) -> bool:
        """True when no run lives any more, False when the database has been replaced by another file."""
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
                before = self._answered_at
                everywhere = time.monotonic() >= everywhere_at or requested_at != before
                if everywhere:
                    self._answered_at = requested_at
                    everywhere_at = time.monotonic() + LOOK_EVERYWHERE_SECONDS
                    now = stamp_of(database)
                    if now is None or database_stamp is None or now[0] != database_stamp[0]:
                        return False
                    stored_revision(database)  # a newer version may have migrated it from another machine
                if indexer.index_runs(everywhere=everywhere) or requested_at != before:
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
        """Whether the lock still stands for the workspace. Without it another indexer may be at work."""
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
    parser.add_argument("--foreground", action="store_true", help="stay attached to whoever started it")
    arguments = parser.parse_args()
    if not arguments.foreground and os.fork():
        os._exit(0)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        Loop(Workspace(arguments.workspace)).run()
    except (YoloqatError, OSError) as error:  # the workspace cannot be written, or is gone
        logging.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
