"""`watch.json`: the log of a process that yoloqat did not start, and its writers."""

from datetime import datetime
from pathlib import Path

from pydantic import Field

from engine.contracts.attempt_records import ProcessIdentity, Record
from engine.files.atomic import write_text


class WatchRecord(Record):
    """Written when the watch of a file starts, and by the indexer while it reads the file.

    The console of the attempt is a copy of the file's bytes from `begins` on; its length is the number of bytes read.
    """

    path: str
    device: int
    inode: int
    begins: int = 0
    """Offset of the attempt's first byte in the file."""
    process: ProcessIdentity | None = None
    """The attached process; None to watch any writer of the file."""
    writers: list[ProcessIdentity] = Field(default_factory=list)
    """Processes that last had the file open for writing."""
    started_at: datetime
    """Start of the oldest of these processes; start of the watch if there is none."""
    grown_at: datetime | None = None
    """Time of the last observed growth of the file."""
    longest_gap: float = 0.0
    """Longest pause between two growths, in seconds."""
    ended_at: datetime | None = None
    """When the file had no writer any more. It is not read after that."""
    note: str = ""
    """Why the previous attempt ended: `the log was truncated`."""

    def write(self, path: Path) -> None:
        """Write atomically."""
        write_text(path, self.model_dump_json(indent=1))
