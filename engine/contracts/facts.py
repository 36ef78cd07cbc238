"""Facts: what the parsers of `engine/logs` read out of a console log.

Numbers stay the text that was printed (`"0.4780"`, `"nan"`): the store keeps both the text and its value. Nobody
changes a fact: the two that come by the thousand are not frozen, for that makes them five times as fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class EpochRow:
    """The finished training line of one epoch."""

    epoch: int
    """As printed: 0-based for YOLOv7. `LogFormat` tells of logs that count from 1."""
    last_epoch: int
    """The number after the slash, as printed. A results.csv does not tell it: there it is the row's own epoch."""
    values: Mapping[str, str]
    """gpu_mem, box, obj, cls, total, labels, img_size in YOLOv7's dialect; losses have the names of their own columns.

    A field that the terminal's edge cut off is absent; without any, the log does not hold the epoch's final numbers.
    """
    seconds: float | None = None
    """How long its training bar ran."""
    source: str = "log"
    """What printed it: `log`, or the dialect of a file that holds nothing but results."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a bar stands. Only the latest one matters; it is never a row."""

    phase: str
    """`train`, `val`, `scan`, `calibrate`, …"""
    done: int
    total: int
    epoch: int | None = None
    last_epoch: int | None = None
    elapsed_seconds: float | None = None
    remaining_seconds: float | None = None
    rate: str = ""
    """As printed: `3.41it/s`."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The running losses of a training bar."""


@dataclass(slots=True)
class ValidationRow:
    """One `all` or per-class row."""

    class_name: str
    images: int | None
    """None where the log does not count."""
    labels: int | None
    values: Mapping[str, str]
    """P, R, mAP@.5, mAP@.5:.95; those of masks and of poses end in `(M)` and `(P)`."""
    evaluation: int = -1
    """Which evaluation of this log the row belongs to, counted from 0; -1 until that is decided."""
    epoch: int | None = None
    """The epoch that it validates, None for a final or stand-alone evaluation."""
    weights: str | None = None
    """What was evaluated, where the log says so: a path, or `last`/`best` from YOLOv7's order of its final tests."""
    label: str | None = None
    """What our own stages call it: `PTQ`, `QAT`, …"""
    source: str = "log"
    """As that of an epoch's row."""


@dataclass(frozen=True, slots=True)
class CocoLine:
    """One of the twelve lines of pycocotools."""

    key: str
    """AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl; of masks they end in `(M)`, of poses in `(P)`."""
    text: str
    evaluation: int
    epoch: int | None = None
    weights: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """`Model Summary: 314 layers, 36907898 parameters, 6194944 gradients, 104.5 GFLOPS`."""

    layers: int
    parameters: int
    gradients: int
    gflops: str | None
    fused: bool


@dataclass(frozen=True, slots=True)
class LogFormat:
    """Told before the first epoch of a log that is not in YOLOv7's format, or once it can be known."""

    dialect: str
    first_epoch: int
    """The number of the first epoch: 0, or 1."""


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """`Starting training for N epochs...`."""

    epochs: int


@dataclass(frozen=True, slots=True)
class TrainingCompleted:
    """`N epochs completed in H hours.`."""

    epochs: int | None
    """None where the log does not say it."""
    hours: str


@dataclass(frozen=True, slots=True)
class CheckpointStripped:
    """`Optimizer stripped from PATH, 75.6MB`."""

    path: str
    megabytes: str
    saved_as: str | None = None


@dataclass(frozen=True, slots=True)
class Crash:
    """A Python traceback: its last line, and the whole of it (bounded)."""

    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """CUDA ran out of memory, by the log's own words."""

    message: str


@dataclass(frozen=True, slots=True)
class Note:
    """Any other line worth keeping.

    `kind` is `device`, `options`, `hyperparameters`, `transferred`, `optimizer`, `data`, `warning`, …
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class StageEvent:
    """A `::yoloqat {…}` line."""

    name: str
    payload: Mapping[str, Any]
    evaluation: int | None = None
    """For the event `evaluation`: which evaluation of this log it tells at full precision."""


Fact = (
    EpochRow
    | Progress
    | ValidationRow
    | CocoLine
    | ModelSummary
    | LogFormat
    | TrainingStarted
    | TrainingCompleted
    | CheckpointStripped
    | Crash
    | OutOfMemory
    | Note
    | StageEvent
)
