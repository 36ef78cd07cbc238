"""Read a log file once: the runs in it, their facts, and their rows for the index."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.rows_of_facts import FactRows
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
from engine.logs.containers.open_contents import open_contents
from engine.logs.parser import LogParser
from engine.logs.registry import describe
from engine.logs.results.tensorboard import is_event_file
from engine.logs.save_dir import told_folder
from engine.logs.training_boundaries import training_starts

_READ_BYTES = 1 << 20
SNIFF_BYTES = 16 << 20
"""A file found by search is no log if its first 16 MB contain no line of one."""
_HEAD_BYTES = 4096
MOST_CELLS = 50_000
"""Limit of numbers in rows in memory, about 12 MB; larger logs are read again by the indexer."""
_MAX_PARTS = 500
"""Limit of runs in one file; everything later belongs to the last one."""
_RATE = "mAP@.5:.95"
_LOG_EVIDENCE = (
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
"""Facts that prove that a file is a log; a warning could be in any text."""
_RUN_STARTED = (EpochRow, ValidationRow, TrainingStarted, TrainingCompleted, Crash, OutOfMemory)
"""Facts after which printed options belong to the next run."""


@dataclass
class LogPart:
    """One run in a log file."""

    begins: int
    """Offset of its first byte."""
    size: int = 0
    sha256: str = ""
    epochs: set[int] = field(default_factory=set)
    evaluations: set[int] = field(default_factory=set)
    """Without the validations of epochs."""
    lines: int = 0
    not_understood: int = 0
    dialect: str = ""
    """The dialect as text: `trtexec (unverified)`; empty if none was detected."""
    is_event_file: bool = False
    foreign: str = ""
    """The unsupported trainer that wrote the log; else empty."""
    first_epoch: int = 0
    """The number of the first epoch: 0 or 1."""
    is_log: bool = False
    has_started: bool = False
    is_training: bool = False
    """Whether it has epochs, or the start of a training."""
    save_dir: str = ""
    """The folder that the trainer printed as its save_dir; else empty."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options and hyperparameters that the trainer printed before its first epoch."""
    rates: dict[int, str] = field(default_factory=dict)
    """mAP@.5:.95 by epoch, as printed."""
    rows: FactRows | None = field(default_factory=FactRows)
    """None if they exceed `MOST_CELLS`."""
    parser: LogParser = field(default_factory=LogParser)
    """The parser after the last byte."""

    def add(self, facts: Iterable[Fact]) -> None:
        """Count facts and append their rows."""
        facts = list(facts)
        for fact in facts:
            self.is_log = self.is_log or isinstance(fact, _LOG_EVIDENCE)
            self.has_started = self.has_started or isinstance(fact, _RUN_STARTED)
            self.is_training = self.is_training or isinstance(fact, EpochRow | TrainingStarted)
            if isinstance(fact, EpochRow):
                self.epochs.add(fact.epoch)
            elif isinstance(fact, ValidationRow | CocoLine):
                if fact.epoch is None:
                    self.evaluations.add(fact.evaluation)
                elif isinstance(fact, ValidationRow) and fact.class_name == "all" and _RATE in fact.values:
                    self.rates[fact.epoch] = fact.values[_RATE]
            else:
                self._add_text_fact(fact)
        if self.rows is not None:
            self.rows.add(facts)
            if self.cells > MOST_CELLS:
                self.rows = None

    @property
    def cells(self) -> int:
        """The number of values in the rows in memory."""
        return self.rows.cells if self.rows is not None else 0

    def _add_text_fact(self, fact: Fact) -> None:
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
    """False if reading stopped early because the file does not look like a log."""
    containers: tuple[str, ...] = ()
    """What the log was in: `gzip`, `utf-16-le`; empty for a plain file. Offsets count the bytes of the log."""
    is_cut: bool = False
    """The container was damaged or cut off: this is what could be read."""

    @property
    def container_text(self) -> str:
        """What the log was in, in words; empty for a plain file."""
        return ", ".join((*self.containers, *(["cut off"] if self.is_cut else [])))

    @property
    def is_log(self) -> bool:
        return any(part.is_log for part in self.parts)

    @property
    def foreign(self) -> str:
        return next((part.foreign for part in self.parts if part.foreign), "")


def read_log(path: Path, *, sniff: bool = False, with_rows: bool = True) -> LogFile:
    """Read a whole file, in constant memory.

    Args:
        sniff: stop early if the file does not look like a log; for files found by search.
        with_rows: keep the rows for the index, up to the limit; False if memory for them is used up.

    Raises:
        YoloqatError: the file cannot be read.
    """
    try:
        with open_contents(path) as contents:
            reader = _Reader(with_rows=with_rows)
            is_whole = True
            while chunk := contents.file.read(_READ_BYTES):
                reader.feed(chunk)
                if sniff and reader.is_probably_no_log():
                    is_whole = False
                    break
            modified = path.stat().st_mtime_ns
    except OSError as error:
        raise YoloqatError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    parts = reader.finish()
    return LogFile(path, reader.size, modified, parts, is_whole, tuple(contents.containers), contents.is_cut)


class _Reader:
    """Splits a file into its runs and parses each of them."""

    def __init__(self, *, with_rows: bool) -> None:
        self.size = 0
        self._with_rows = with_rows
        self._rest = b""
        self._parts = [self._part(0)]
        self._digest = hashlib.sha256()
        self._is_event_file: bool | None = None
        self._sniff_limit = SNIFF_BYTES
        self._cells = 0
        """The number of values in the rows of finished parts."""

    def feed(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._is_event_file is None:
            self._is_event_file = self._parts[0].is_event_file = bool(is_event_file(chunk[:_HEAD_BYTES]))
            if b"\0" in chunk[:_HEAD_BYTES]:
                self._sniff_limit = _READ_BYTES
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        if self._is_event_file or (not end and len(data) > _READ_BYTES):
            end = len(data)
        lines, self._rest = data[:end], data[end:]
        position = 0
        for start in [] if self._is_event_file else training_starts(lines):
            if start < position:
                continue
            self._parse(lines[position:start])
            position = start
            if self._parts[-1].has_started and len(self._parts) < _MAX_PARTS:
                self._close()
                before = self._parts[-1]
                self._parts.append(self._part(before.begins + before.size))
        self._parse(lines[position:])

    def is_probably_no_log(self) -> bool:
        """Whether the file has no evidence of a log within the sniffed bytes."""
        return len(self._parts) == 1 and not self._parts[0].is_log and self.size >= self._sniff_limit

    def finish(self) -> tuple[LogPart, ...]:
        self._parse(self._rest)
        self._rest = b""
        self._close()
        return tuple(self._parts)

    def _part(self, begins: int) -> LogPart:
        return LogPart(begins, rows=FactRows() if self._with_rows else None)

    def _parse(self, data: bytes) -> None:
        if data:
            part = self._parts[-1]
            self._digest.update(data)
            part.size += len(data)
            part.add(part.parser.feed(data))

    def _close(self) -> None:
        part = self._parts[-1]
        part.add(part.parser.finish())
        part.sha256, self._digest = self._digest.hexdigest(), hashlib.sha256()
        part.lines, part.not_understood = part.parser.lines, part.parser.not_understood
        part.dialect = part.foreign or describe(part.parser.dialect or "")
        if self._cells + part.cells > MOST_CELLS:
            part.rows = None
        self._cells += part.cells
