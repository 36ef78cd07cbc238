"""Marks: what a single line says. The assembler makes facts of them, for which it must know the lines before."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.contracts.facts import (
    CheckpointStripped,
    ModelSummary,
    Note,
    StageEvent,
    TrainingCompleted,
    TrainingStarted,
)
from engine.logs.bars import BarText


@dataclass(frozen=True, slots=True)
class EpochHeader:
    """The titles above an epoch's row."""

    dialect: str
    columns: tuple[str, ...]
    """Names of the fields after `Epoch`."""


@dataclass(frozen=True, slots=True)
class EpochBar:
    """A training bar: the row of an epoch once it is complete."""

    epoch: int
    last_epoch: int
    values: Mapping[str, str]
    bar: BarText | None = None
    """None when it is cut away."""


@dataclass(frozen=True, slots=True)
class ValidationBar:
    """The titles of a validation, which are the description of its bar."""

    bar: BarText | None = None


@dataclass(frozen=True, slots=True)
class MetricsRow:
    """The `all` row or a class's row."""

    class_name: str
    images: int
    labels: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CocoNumber:
    """One of pycocotools' twelve lines."""

    key: str
    text: str


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


@dataclass(frozen=True, slots=True)
class HeadMissing:
    """The log says that its beginning has been thrown away."""


@dataclass(frozen=True, slots=True)
class LayersFused:
    """The next model summary is that of the fused model."""


@dataclass(frozen=True, slots=True)
class Understood:
    """A line that is known and says nothing that is kept."""


Mark = (
    EpochHeader
    | EpochBar
    | ValidationBar
    | MetricsRow
    | CocoNumber
    | OtherBar
    | NewProcess
    | HeadMissing
    | LayersFused
    | Understood
    | ModelSummary
    | TrainingStarted
    | TrainingCompleted
    | CheckpointStripped
    | Note
    | StageEvent
)
"""Facts that no other line can change stand for themselves."""
