"""Tokens: what a single line says. The fact builder makes facts of them, for which it must know the lines before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.contracts.facts import (
    CheckpointStripped,
    Crash,
    ModelSummary,
    Note,
    StageEvent,
    TrainingCompleted,
    TrainingStarted,
    ValidationRow,
)
from engine.logs.lexer.tqdm_bars import BarText


@dataclass(frozen=True, slots=True)
class EpochHeader:
    """The titles above an epoch's row."""

    dialect: str
    columns: tuple[str, ...]
    """Names of the fields after `Epoch`."""
    first_epoch: int | None = 0
    """What the dialect counts epochs from, None where the titles do not tell."""


class EpochBar(NamedTuple):
    """A training bar: the row of an epoch once it is complete."""

    epoch: int
    last_epoch: int
    values: Mapping[str, str]
    bar: BarText | None = None
    """None when it is cut away."""
    dialect: str | None = None
    """Told by a dialect that prints no titles."""
    first_epoch: int = 0
    """What that dialect counts epochs from."""


class ValidationBar(NamedTuple):
    """The titles of a validation, which are the description of its bar."""

    bar: BarText | None = None
    dialect: str = "yolov7"
    metrics: tuple[str, ...] | None = None
    """Names of the fields after the counts, None where the dialect has but one order."""
    first_epoch: int | None = None
    """What a dialect with such titles counts epochs from, where they tell."""
    is_in_order: bool = False
    """Whether the dialect writes rows right after their bar, never after the next one."""


@dataclass(frozen=True, slots=True)
class ResultsRow:
    """A row of a results file: an epoch and its validation."""

    dialect: str
    epoch: int
    last_epoch: int
    values: Mapping[str, str]
    metrics: Mapping[str, str]
    counts_from: int
    """What the trainer counts epochs from, if the first row is a later one."""
    last_column: str


@dataclass(frozen=True, slots=True)
class Evaluating:
    """What the next evaluation, which is not an epoch's, evaluates."""

    weights: str


@dataclass(frozen=True, slots=True)
class CocoNumber:
    """One of pycocotools' twelve lines."""

    key: str
    text: str
    suffix: str | None = None
    """What tells it from the number of boxes, None where the line does not show what was evaluated."""


@dataclass(frozen=True, slots=True)
class CocoType:
    """What pycocotools evaluates next."""

    suffix: str
    """Behind the keys of its numbers; empty for boxes."""


@dataclass(frozen=True, slots=True)
class BenchmarkLine:
    """A line of a program that times a model."""

    dialect: str
    part: tuple[str, Any]
    """What it says, as the dialect gathers it."""
    is_first: bool = False
    """Whether the program starts with it."""


@dataclass(frozen=True, slots=True)
class OtherBar:
    """Any other progress bar."""

    phase: str
    bar: BarText


@dataclass(frozen=True, slots=True)
class NewProcess:
    """A line that only the start of a program prints: what was awaited from the one before will not come."""

    note: Note
    weights: str | None = None
    """What a stand-alone evaluation was asked to evaluate."""
    is_repeated: bool = False
    """Printed between the announcement of an evaluation and the evaluation, too, where it says nothing new."""


@dataclass(frozen=True, slots=True)
class HeadMissing:
    """The log says that its beginning has been thrown away."""


@dataclass(frozen=True, slots=True)
class LayersFused:
    """The next model summary is that of the fused model."""


@dataclass(frozen=True, slots=True)
class Understood:
    """A line that is known and says nothing that is kept."""


Token = (
    EpochHeader
    | EpochBar
    | ValidationBar
    | ValidationRow
    | ResultsRow
    | Evaluating
    | CocoNumber
    | CocoType
    | BenchmarkLine
    | OtherBar
    | NewProcess
    | HeadMissing
    | LayersFused
    | Understood
    | ModelSummary
    | TrainingStarted
    | TrainingCompleted
    | CheckpointStripped
    | Crash
    | Note
    | StageEvent
)
"""Facts stand for themselves; into a `ValidationRow` the builder enters evaluation, epoch and weights."""
