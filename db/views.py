"""Plain dataclasses that leave the store. ORM rows never do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.contracts.facts import Progress
from engine.contracts.states import RunState


@dataclass(frozen=True)
class Number:
    """A printed number: its digits as they stood in the log or file, and its value (None for nan and inf)."""

    text: str
    value: float | None
    source: str = "log"
    """Where it came from: `log`, `results.txt`, `results.csv`, `tensorboard` or `result.json`."""


@dataclass(frozen=True)
class RunView:
    """One line of the runs table."""

    id: str
    name: str
    stage: str
    state: RunState
    reason: str
    """The state in words: `exit code 3`, `signal 9 (SIGKILL)`, `waits for relu-retrain`."""
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    """Run time by the runner's monotonic clock, or what the log says for an imported run."""
    attempt: int = 1
    stalled: bool = False
    suspended: bool = False
    """A process of it is stopped by a signal or held by a debugger; never read from the index."""
    stopping: str = ""
    """The stop in progress, in words: `SIGINT sent, SIGTERM in 12 s`; empty when none is."""
    handed_to: str = ""
    """Servers outside of the run to which its command handed work: `tmux 812`; empty for none."""
    gpus_outside_lease: tuple[str, ...] = ()
    """GPUs outside of its lease on which a process of the run was seen: indices, or UUIDs of MIG instances."""
    group: str | None = None
    pipeline: str | None = None
    step: str | None = None
    source: str = "launched"
    epochs_done: int | None = None
    epochs_total: int | None = None
    eta_seconds: float | None = None
    progress: Progress | None = None
    best_map: Number | None = None
    """Best mAP@.5:.95 (a fraction), of the epochs or of the stage's evaluation."""
    best_epoch: int | None = None
    map_curve: tuple[float, ...] = ()
    """mAP@.5:.95 by epoch, for the trend column; of long trainings that of every second epoch, every fourth, …"""
    map_curve_step: int = 1
    """Epochs per point of the curve."""
    lines_not_understood: int = 0
    archived: bool = False
    tags: tuple[str, ...] = ()
    notes: str = ""
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class EpochView:
    """One epoch: the training line, and the `all` row of its validation."""

    attempt: int
    epoch: int
    last_epoch: int
    values: Mapping[str, Number]
    """By the names of the log: gpu_mem, box, obj, cls, total, labels, img_size, P, R, mAP@.5, mAP@.5:.95.

    What the log does not tell is absent. `seconds` is the time that it took, or else that of its training bar; our own
    stages add `lr/0`, `lr/1`, …, `val/box`, `val/obj`, `val/cls`.
    """


@dataclass(frozen=True)
class EvaluationView:
    """One evaluation that is not an epoch's: final tests, PTQ, ONNX."""

    index: int
    label: str
    weights: str | None
    images: int | None
    labels: int | None
    values: Mapping[str, Number]
    """P, R, mAP@.5, mAP@.5:.95 and pycocotools' twelve, as far as there are."""
    per_class: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None
    """The evaluation settings of `result.json`, None when only the log speaks."""
    backend: str | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class EventView:
    """One other fact of the log, in order of appearance."""

    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class ResultsFileView:
    """A file of results that the trainer wrote beside its log."""

    path: str
    source: str
    """`results.txt` or `results.csv`."""
    epochs: int
    """How many epochs it tells of this run; 0 where it is left aside."""
    problem: str = ""
    """Why it is left aside, in words."""


@dataclass(frozen=True)
class UsageView:
    """What the newest attempt took of one thing."""

    device: str
    """`run` (its processes), `host`, or `gpu 0`."""
    key: str
    """With its unit: `cpu_percent` (of one core), `rss_bytes`, `memory_used_bytes`, `power_watts`, …"""
    mean: float
    least: float
    most: float
    last: float
    curve: tuple[float | None, ...]
    """Means of equal parts of the run time, None where nothing was told."""


@dataclass(frozen=True)
class ArtifactView:
    """A file that a run read (`input`) or wrote."""

    role: str
    path: str
    size_bytes: int
    sha256: str
    is_input: bool = False


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """A moment in the life of the index. Numbers of different generations say nothing about each other."""

    generation: str = ""
    """Changes when the database is built anew; empty where there is none."""
    number: int = 0
    """Raised by every transaction that changes what readers see."""


NEVER = IndexVersion()
"""Before there was any."""


@dataclass(frozen=True)
class RunDetail:
    """Everything the store knows of one run."""

    run: RunView
    options: Mapping[str, Any]
    command: tuple[str, ...]
    cwd: str
    epochs: tuple[EpochView, ...]
    evaluations: tuple[EvaluationView, ...]
    events: tuple[EventView, ...]
    artifacts: tuple[ArtifactView, ...]
    imported_from: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """The stage-specific facts of `result.json`: model summary, calibration table, export checks."""
    results: tuple[ResultsFileView, ...] = ()
    """Files of results beside the log. What they tell covers what the log tells with fewer digits."""
    usage: tuple[UsageView, ...] = ()
    """CPU, memory, disk and GPUs, by the samples of the newest attempt."""
    log_tail: tuple[str, ...] = ()
    """What the newest attempt's log said last."""
    version: IndexVersion = NEVER
    """Of the index that this was read from."""
