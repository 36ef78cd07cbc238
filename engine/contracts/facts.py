"""Facts: what the parsers of `engine/logs` read from a console log.

Numbers stay the printed text (`"0.4780"`, `"nan"`): the index stores both the text and its value. Facts are immutable;
the two classes with thousands of instances are not frozen only because that makes them five times as fast to create.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class EpochRow:
    """The finished training line of one epoch."""

    epoch: int
    """As printed: 0-based for YOLOv7. `LogFormat` announces logs that count from 1."""
    last_epoch: int
    """The number after the slash, as printed. A results.csv lacks it: there it equals `epoch`."""
    values: Mapping[str, str]
    """gpu_mem, box, obj, cls, total, labels, img_size in YOLOv7's dialect; others keep their loss columns' names.

    Fields truncated at the terminal's edge are absent; if all are, the log lacks the epoch's final numbers.
    """
    seconds: float | None = None
    """Duration of the training bar."""
    source: str = "log"
    """`log`, or the dialect of the results file that it was read from."""


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a progress bar. Only the latest one matters; it is never stored as a row."""

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
    """None where the log prints no counts."""
    labels: int | None
    values: Mapping[str, str]
    """P, R, mAP@.5, mAP@.5:.95; mask metrics end in `(M)`, pose metrics in `(P)`."""
    evaluation: int = -1
    """0-based number of the evaluation within the log; -1 until it is assigned."""
    epoch: int | None = None
    """The validated epoch; None for a final or stand-alone evaluation."""
    weights: str | None = None
    """The evaluated weights, if the log names them: a path, or `last`/`best` by the order of YOLOv7's final tests."""
    label: str | None = None
    """Label given by our own stages: `PTQ`, `QAT`, …"""
    source: str = "log"
    """See `EpochRow.source`."""


@dataclass(frozen=True, slots=True)
class CocoLine:
    """One of the twelve summary lines of pycocotools."""

    key: str
    """AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl; `(M)` is appended for masks, `(P)` for poses."""
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
    """Dialect and numbering of a log that is not YOLOv7's. Precedes the first epoch, unless it is detected later."""

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
    """None where the log does not print it."""
    hours: str


@dataclass(frozen=True, slots=True)
class CheckpointStripped:
    """`Optimizer stripped from PATH, 75.6MB`."""

    path: str
    megabytes: str
    saved_as: str | None = None


@dataclass(frozen=True, slots=True)
class Crash:
    """A Python traceback: its last line, and its full text (bounded)."""

    error: str
    traceback: str


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """A shell, torchrun or Slurm says that the program was ended from outside."""

    cause: str
    """`killed`, `terminated`, `segmentation fault`, `cancelled`, `time limit`, `preempted`, …"""
    line: str


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """CUDA ran out of memory, as reported in the log."""

    message: str


@dataclass(frozen=True, slots=True)
class Note:
    """Any other line that is stored.

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
    """For the event `evaluation`: the number of the evaluation that it reports at full precision."""


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
    | ProcessEnded
    | OutOfMemory
    | Note
    | StageEvent
)
