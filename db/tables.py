"""The tables. All of them can be rebuilt from the run folders; nothing else may live only here.

Times are ISO 8601 in UTC, JSON is text with sorted keys: a rebuilt database holds the same bytes in every cell.
"""

from typing import Any, cast

from sqlalchemy import ForeignKeyConstraint, Index, Table
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_SOURCE: str = Field(default="log", sa_column_kwargs={"server_default": "log"})
"""Where a number came from."""
_KEYED: dict[str, Any] = {"sqlite_with_rowid": False}
"""Stored in the order of the primary key: all rows of a run lie together."""


def _owned_by(parent: str, *columns: str) -> ForeignKeyConstraint:
    """Return the foreign key of rows that are deleted with the row they belong to."""
    names = {"run": ["id"], "attempt": ["run_id", "number"], "evaluation": ["run_id", "attempt", "number"]}
    return ForeignKeyConstraint(columns, [f"{parent}.{name}" for name in names[parent]], ondelete="CASCADE")


class Run(SQLModel, table=True):
    """`spec.yaml`, `user.json`, and the state by process identity and `outcome.json`."""

    id: str = Field(primary_key=True)
    name: str
    stage: str
    group: str | None = None
    pipeline: str | None = None
    step: str | None = None
    source: str
    imported_from: str | None = None
    created_at: str
    options: str
    command: str
    cwd: str
    archived: bool
    notes: str
    state: str
    reason: str
    attempt: int
    started_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None
    stalled: bool
    stopping: str
    details: str
    """JSON: the stage-specific facts of `result.json`."""
    stamps: str
    """JSON: size and time of the files that this row was read from."""
    handed_to: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Servers outside of the run to which its command handed work: `tmux 812`; empty for none."""
    gpus_outside_lease: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """GPUs outside of its lease on which a process of the run was seen, with blanks between."""


class Parent(SQLModel, table=True):
    """Runs that had to succeed first."""

    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    parent_id: str


class Tag(SQLModel, table=True):
    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    tag: str


class Attempt(SQLModel, table=True):
    """How far the log of an attempt has been read. Written in the transaction of the rows that were read from it."""

    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    offset: int
    """Bytes of console.log that all rows come from."""
    fingerprint: str
    """Of the log's head and of what stands before `offset`: a log that was replaced or rewritten has another one."""
    finished: bool
    """The last line was read, too, since nothing will be added to it."""
    parser: str
    """JSON: the parser's state at `offset`."""
    lines: int
    not_understood: int
    events: int
    """How many rows of `event` there are, which is the next one's ordinal."""
    progress: str | None = None
    """JSON: where the last bar stood."""


class Epoch(SQLModel, table=True):
    __table_args__ = (_owned_by("attempt", "run_id", "attempt"), _KEYED)

    run_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    last_epoch: int


class Metric(SQLModel, table=True):
    """One number of one epoch."""

    __table_args__ = (_owned_by("attempt", "run_id", "attempt"), _KEYED)

    run_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    key: str = Field(primary_key=True)
    text: str
    """As it was printed."""
    value: float | None = None
    """NULL for nan and inf; more precise than the text where an event tells."""
    source: str = _SOURCE
    """`log`, or the dialect of the file of results that was read as one."""


class ResultsFile(SQLModel, table=True):
    """A file of results that stands beside a log of the run."""

    __tablename__ = "results_file"
    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    path: str
    source: str
    """Its dialect."""
    epochs: int
    """How many of its epochs are told; 0 where it is left aside."""
    problem: str
    """Why it is left aside, in words."""


class ResultsMetric(SQLModel, table=True):
    """A number of such a file. It covers the log's number of the same name, for it was written with more digits."""

    __tablename__ = "results_metric"
    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    """As the log counts."""
    key: str = Field(primary_key=True)
    """As the log calls it."""
    text: str
    value: float | None = None
    source: str


class Evaluation(SQLModel, table=True):
    """An evaluation that is not only the `all` row of an epoch."""

    __table_args__ = (_owned_by("attempt", "run_id", "attempt"), _KEYED)

    run_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    epoch: int | None = None
    label: str | None = None
    weights: str | None = None
    images: int | None = None
    labels: int | None = None
    backend: str | None = None
    settings: str | None = None
    """JSON."""


class EvaluationMetric(SQLModel, table=True):
    __tablename__ = "evaluation_metric"
    __table_args__ = (_owned_by("evaluation", "run_id", "attempt", "number"), _KEYED)

    run_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    class_name: str = Field(primary_key=True)
    """Empty for all classes together."""
    key: str = Field(primary_key=True)
    position: int
    """In the order of the log."""
    text: str
    value: float | None = None
    source: str = _SOURCE
    """`log`, `result.json`, or the dialect of the file of results that was read as a log."""


class Event(SQLModel, table=True):
    """Any other fact, in the order of the log."""

    __table_args__ = (_owned_by("attempt", "run_id", "attempt"), _KEYED)

    run_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    ordinal: int = Field(primary_key=True)
    kind: str
    payload: str
    """JSON."""


class Usage(SQLModel, table=True):
    """What an attempt took of one thing, by the samples of its runner."""

    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    device: str = Field(primary_key=True)
    """`run` (its processes), `host`, or `gpu 0`."""
    key: str = Field(primary_key=True)
    """With its unit: `cpu_percent` (of one core), `rss_bytes`, `power_watts`, …"""
    mean: float
    """Over time, as are the points of the curve."""
    least: float
    most: float
    last: float
    curve: str
    """JSON: means of equal parts of the run time, null where nothing was told."""


class Artifact(SQLModel, table=True):
    """A file that a run read or wrote, by its content."""

    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True)
    role: str
    path: str
    size_bytes: int
    sha256: str = Field(index=True)
    is_input: bool


class RunSummary(SQLModel, table=True):
    """What the list of runs shows of its epochs and evaluations, so that a thousand runs are one query."""

    __tablename__ = "run_summary"
    __table_args__ = (_owned_by("run", "run_id"), _KEYED)

    run_id: str = Field(primary_key=True)
    epochs_done: int | None = None
    epochs_total: int | None = None
    epoch_seconds: float | None = None
    """Mean of the last epochs."""
    best_map_text: str | None = None
    best_map: float | None = None
    best_epoch: int | None = None
    map_curve: str
    """JSON: mAP@.5:.95 of equal ranges of epochs, `db.curve.Curve`."""
    lines_not_understood: int
    log_seconds: float | None = None
    """Run time by the log's own words."""
    progress: str | None = None
    """JSON: the newest attempt's bar."""
    best_map_source: str | None = None
    curve_start: int | None = None
    """The first epoch of the curve; NULL where a version before it was bounded has written it, or there is none."""
    curve_step: int | None = None
    curve_end: int | None = None


class IndexState(SQLModel, table=True):
    """One row: the version of the whole index. With the changes of runs and epochs, all that is no copy of folders."""

    __tablename__ = "index_state"

    id: int = Field(primary_key=True)
    generation: str
    """Drawn when the database is made: numbers of two databases have nothing to do with each other."""
    number: int
    """Raised by every transaction that changes what readers see."""


class RunChange(SQLModel, table=True):
    """The change number that a run was written at last. Outlives its run, so that readers learn of its end."""

    __tablename__ = "run_change"
    __table_args__ = (_KEYED,)

    run_id: str = Field(primary_key=True)
    number: int = Field(index=True)
    removed: bool


class EpochChange(SQLModel, table=True):
    """The change number that an epoch's numbers were written at last. Outlives its run, as `run_change` does."""

    __tablename__ = "epoch_change"
    __table_args__ = (Index("ix_epoch_change_run_id_number", "run_id", "number"), _KEYED)

    run_id: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    """`db.reading.numbers.ALL`, which is before every epoch, if rows of any epoch were deleted."""
    number: int


class BrokenRun(SQLModel, table=True):
    """A run folder that could not be read. It is tried again when its files change or the indexer starts anew."""

    __tablename__ = "broken_run"
    __table_args__ = (_KEYED,)

    run_id: str = Field(primary_key=True)
    stamps: str
    """Of its files, as in `run`."""
    reason: str


def table_of(model: type[SQLModel]) -> Table:
    """Return the table behind a model, for statements without ORM objects."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]
