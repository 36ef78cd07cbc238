"""Reading a log file once: the runs in it, what each of them tells, and the rows that it makes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.fact_rows import FactRows
from engine.contracts.errors import YoloqatError
from engine.contracts.facts import (
    CheckpointStripped,
    CocoLine,
    Crash,
    EpochRow,
    Fact,
    LogFormat,
    ModelSummary,
    Note,
    OutOfMemory,
    StageEvent,
    TrainingCompleted,
    TrainingStarted,
    ValidationRow,
)
from engine.logs import printed_options
from engine.logs.parser import LogParser
from engine.logs.registry import describe
from engine.logs.results.tensorboard import is_event_file
from engine.logs.save_dir import told_folder
from engine.logs.training_boundaries import training_starts

_READ_BYTES = 1 << 20
SNIFF_BYTES = 16 << 20
"""Of a file that nobody has named: if no line of a log stands in so many, it is none."""
_HEAD_BYTES = 4096
MOST_CELLS = 50_000
"""Numbers in the rows that are kept, some 12 MB: what is more is read again when it is indexed."""
_MOST_PARTS = 500
"""Runs of one file; what comes after them belongs to the last one."""
_RATE = "mAP@.5:.95"
_TELLING = (
    EpochRow,
    ValidationRow,
    CocoLine,
    ModelSummary,
    TrainingStarted,
    TrainingCompleted,
    StageEvent,
    Crash,
    OutOfMemory,
)
"""Facts that prove a log; a text may contain a warning by chance."""
_AT_WORK = (EpochRow, ValidationRow, TrainingStarted, TrainingCompleted, Crash, OutOfMemory)
"""Facts after which options are those of another run."""


@dataclass
class LogPart:
    """One run in a log file."""

    begins: int
    """The first of its bytes."""
    size: int = 0
    sha256: str = ""
    epochs: set[int] = field(default_factory=set)
    evaluations: set[int] = field(default_factory=set)
    """Those that are not only an epoch's."""
    lines: int = 0
    not_understood: int = 0
    dialect: str = ""
    """Whose log it is, in words: `trtexec (unverified)`; empty where no table of it was printed."""
    is_event_file: bool = False
    foreign: str = ""
    """Another trainer, whose log it is."""
    first_epoch: int = 0
    """What epochs are counted from."""
    is_log: bool = False
    is_at_work: bool = False
    is_training: bool = False
    """Whether it tells of epochs, or of their start."""
    save_dir: str = ""
    """Where the trainer says that it saves to; empty where it does not say."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the trainer printed of its options and hyperparameters before its first epoch."""
    rates: dict[int, str] = field(default_factory=dict)
    """mAP@.5:.95 by epoch, as printed."""
    rows: FactRows | None = field(default_factory=FactRows)
    """None when they were too many to be kept."""
    parser: LogParser = field(default_factory=LogParser)
    """As it stands after the last byte."""

    def take(self, facts: Iterable[Fact]) -> None:
        """Count facts and make rows of them."""
        facts = list(facts)
        for fact in facts:
            self.is_log = self.is_log or isinstance(fact, _TELLING)
            self.is_at_work = self.is_at_work or isinstance(fact, _AT_WORK)
            self.is_training = self.is_training or isinstance(fact, EpochRow | TrainingStarted)
            if isinstance(fact, EpochRow):
                self.epochs.add(fact.epoch)
            elif isinstance(fact, ValidationRow | CocoLine):
                if fact.epoch is None:
                    self.evaluations.add(fact.evaluation)
                elif isinstance(fact, ValidationRow) and fact.class_name == "all" and _RATE in fact.values:
                    self.rates[fact.epoch] = fact.values[_RATE]
            else:
                self._take_word(fact)
        if self.rows is not None:
            self.rows.add(facts)
            if self.cells > MOST_CELLS:
                self.rows = None

    @property
    def cells(self) -> int:
        """How many numbers the rows that are kept hold."""
        return self.rows.cells if self.rows is not None else 0

    def _take_word(self, fact: Fact) -> None:
        if isinstance(fact, Note):
            if fact.kind in printed_options.KINDS and not (self.epochs or self.evaluations):
                self.options = {**printed_options.told_options(fact.text), **self.options}
            if fact.kind == "foreign":
                self.foreign = fact.text
            elif fact.kind == "options" or not self.save_dir:
                self.save_dir = told_folder(fact.kind, {"text": fact.text}) or self.save_dir
        elif isinstance(fact, LogFormat):
            self.first_epoch = fact.first_epoch
        elif isinstance(fact, CheckpointStripped) and not self.save_dir:
            self.save_dir = told_folder("checkpoint stripped", {"path": fact.path}) or ""


@dataclass(frozen=True)
class LogFile:
    """A file and the runs in it."""

    path: Path
    size: int
    modified_ns: int
    parts: tuple[LogPart, ...]
    is_whole: bool
    """False where the reading was given up, for nothing in it looked like a log."""

    @property
    def is_log(self) -> bool:
        return any(part.is_log for part in self.parts)

    @property
    def foreign(self) -> str:
        return next((part.foreign for part in self.parts if part.foreign), "")


def read_log(path: Path, *, sniff: bool = False, with_rows: bool = True) -> LogFile:
    """Read a file through, in constant memory.

    Args:
        sniff: give up early where it is no log, since nobody has said that it is one.
        with_rows: keep the rows for the index, as far as they are few enough; False where there is no room for any.

    Raises:
        YoloqatError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(with_rows=with_rows)
            is_whole = True
            while chunk := file.read(_READ_BYTES):
                reader.feed(chunk)
                if sniff and reader.looks_like_none():
                    is_whole = False
                    break
            modified = path.stat().st_mtime_ns
    except OSError as error:
        raise YoloqatError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    return LogFile(path, reader.size, modified, reader.finish(), is_whole)


class _Reader:
    """Cuts a file into the runs in it and parses each of them."""

    def __init__(self, *, with_rows: bool) -> None:
        self.size = 0
        self._with_rows = with_rows
        self._rest = b""
        self._parts = [self._part(0)]
        self._digest = hashlib.sha256()
        self._is_event_file: bool | None = None
        self._sniffed = SNIFF_BYTES
        self._cells = 0
        """In the rows of the parts that have been read."""

    def feed(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._is_event_file is None:
            self._is_event_file = self._parts[0].is_event_file = bool(is_event_file(chunk[:_HEAD_BYTES]))
            if b"\0" in chunk[:_HEAD_BYTES]:
                self._sniffed = _READ_BYTES
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        if self._is_event_file or (not end and len(data) > _READ_BYTES):
            end = len(data)
        whole, self._rest = data[:end], data[end:]
        at = 0
        for start in [] if self._is_event_file else training_starts(whole):
            if start < at:
                continue
            self._take(whole[at:start])
            at = start
            if self._parts[-1].is_at_work and len(self._parts) < _MOST_PARTS:
                self._close()
                before = self._parts[-1]
                self._parts.append(self._part(before.begins + before.size))
        self._take(whole[at:])

    def looks_like_none(self) -> bool:
        """Whether this is certainly or most probably no log."""
        return len(self._parts) == 1 and not self._parts[0].is_log and self.size >= self._sniffed

    def finish(self) -> tuple[LogPart, ...]:
        self._take(self._rest)
        self._rest = b""
        self._close()
        return tuple(self._parts)

    def _part(self, begins: int) -> LogPart:
        return LogPart(begins, rows=FactRows() if self._with_rows else None)

    def _take(self, data: bytes) -> None:
        if data:
            part = self._parts[-1]
            self._digest.update(data)
            part.size += len(data)
            part.take(part.parser.feed(data))

    def _close(self) -> None:
        part = self._parts[-1]
        part.take(part.parser.finish())
        part.sha256, self._digest = self._digest.hexdigest(), hashlib.sha256()
        part.lines, part.not_understood = part.parser.lines, part.parser.not_understood
        part.dialect = part.foreign or describe(part.parser.dialect or "")
        if self._cells + part.cells > MOST_CELLS:
            part.rows = None
        self._cells += part.cells
