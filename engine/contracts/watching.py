"""`watch.json`: the log of a process that was not started here, and who writes it."""

from datetime import datetime
from pathlib import Path

from pydantic import Field

from engine.contracts.attempt_records import ProcessIdentity, Record
from engine.files.atomic import write_text


class WatchRecord(Record):
    """Written when the watching of a file begins, and by the indexer as it follows it.

    The console of the attempt is a copy of the file's bytes from `begins` on, so its length tells what has been read.
    """

    path: str
    device: int
    inode: int
    begins: int = 0
    """The first byte of the file that belongs to the attempt."""
    process: ProcessIdentity | None = None
    """The process that it was attached to; None where whoever writes the file is meant."""
    writers: list[ProcessIdentity] = Field(default_factory=list)
    """Who was last seen to hold the file open for writing."""
    started_at: datetime
    """When the oldest of these processes started; when the watching began, where there is none."""
    grown_at: datetime | None = None
    """When the file was last seen to grow."""
    longest_gap: float = 0.0
    """Seconds: the longest time without growth before it grew again."""
    ended_at: datetime | None = None
    """When nobody wrote it any more. After that it is not followed."""
    note: str = ""
    """What became of the file of the attempt before: `the log was truncated`."""

    def write(self, path: Path) -> None:
        """Write atomically."""
        write_text(path, self.model_dump_json(indent=1))
