"""Marks → facts: which epoch is finished, and which evaluation a row belongs to.

The original writes bars to stderr and rows to stdout. Into one file they come out of order: a row of the log stands
after the header of the next epoch. So a row is tied to the oldest validation bar that still waits for one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.contracts.facts import (
    CocoLine,
    EpochRow,
    Fact,
    ModelSummary,
    Note,
    Progress,
    StageEvent,
    TrainingCompleted,
    ValidationRow,
)
from engine.logs.bars import BarText
from engine.logs.marks import (
    CocoNumber,
    EpochBar,
    EpochHeader,
    HeadMissing,
    LayersFused,
    Mark,
    MetricsRow,
    NewProcess,
    OtherBar,
    Understood,
    ValidationBar,
)

_MOST_NOTES = 500
"""Of one log: a warning per image must not fill the store."""
_FINAL_ORDER = ("last", "best")
"""YOLOv7's order of its final tests."""
_COCO_LINES = 12
"""Of one evaluation by pycocotools."""


@dataclass
class Evaluation:
    """An evaluation that a validation bar or an event has announced, or that rows belong to."""

    epoch: int | None = None
    weights: str | None = None
    label: str | None = None
    number: int = -1
    era: int = -1
    is_over: bool = False
    """Its bar has reached the end."""
    coco: list[str] = field(default_factory=list)
    """The keys that have been printed."""


@dataclass
class State:
    """What is remembered between lines. Plain data, except for the evaluations, which are made of it."""

    columns: list[str] | None = None
    epoch: int | None = None
    """The newest whose row was seen."""
    last_epoch: int | None = None
    validated: int | None = None
    """The newest epoch whose validation was seen."""
    pending: dict[str, Any] | None = None
    """A row that the terminal's edge has cut, or whose bar has not reached its end: not known to be finished yet."""
    emitted: list[Any] | None = None
    era: int = 0
    """Counts lines that separate two validation bars; redraws of one bar are of one era."""
    waiting: list[Evaluation] = field(default_factory=list)
    current: Evaluation | None = None
    """The one whose rows came last."""
    rows_open: bool = False
    """Rows of classes may follow."""
    evaluations: int = 0
    announced: list[str | None] | None = None
    """Label and weights of our own event before an evaluation."""
    tested_weights: str | None = None
    completed: bool = False
    final_tests: int = 0
    fused: bool = False
    head_missing: bool = False
    notes: int = 0
    last_note: str = ""
    progress: dict[str, Any] | None = None


class Assembler:
    """Takes the marks of a log in their order."""

    def __init__(self, state: State | None = None) -> None:
        self._state = state or State()

    @property
    def memory(self) -> State:
        """What is remembered; to be stored, not to be changed."""
        return self._state

    @property
    def columns(self) -> tuple[str, ...] | None:
        columns = self._state.columns
        return None if columns is None else tuple(columns)

    def take(self, mark: Mark) -> list[Fact] | None:
        """The facts that a mark brings; None when the line was not understood after all."""
        takers: dict[type, Callable[[Any], list[Fact] | None]] = {
            EpochHeader: self._take_header,
            EpochBar: self._take_epoch,
            ValidationBar: self._take_validation_bar,
            MetricsRow: self._take_metrics,
            CocoNumber: self._take_coco,
            OtherBar: self._take_other_bar,
            Note: self._take_note,
            StageEvent: self._take_event,
            ModelSummary: self._take_summary,
            TrainingCompleted: self._take_completed,
            NewProcess: self._take_new_process,
            LayersFused: self._take_fused,
            HeadMissing: self._take_head_missing,
            Understood: lambda _: [],
        }
        taker = takers.get(type(mark))
        return taker(mark) if taker else [mark]  # type: ignore[list-item]

    def progress_of(self, mark: Mark) -> Progress | None:
        """Where a bar stands; None when the mark is none."""
        state = self._state
        match mark:
            case EpochBar(bar=BarText(done=int(), total=int()) as bar):
                return _progress("train", bar, mark.epoch, mark.last_epoch, dict(mark.values))
            case ValidationBar(bar=BarText(done=int(), total=int()) as bar):
                epoch = None if state.completed or state.announced else state.epoch
                return _progress("val", bar, epoch, state.last_epoch if epoch is not None else None)
            case OtherBar(phase=phase, bar=bar):
                return _progress(phase, bar)
        return None

    @property
    def progress(self) -> Progress | None:
        """Where the last bar stood."""
        fields = self._state.progress
        return None if fields is None else Progress(**fields)

    def _take_other_bar(self, mark: OtherBar) -> list[Fact]:
        self._state.progress = progress_fields(self.progress_of(mark))
        return []

    def _take_summary(self, summary: ModelSummary) -> list[Fact]:
        state = self._state
        state.era += 1
        fused, state.fused = state.fused or state.completed, False
        return [replace(summary, fused=fused)]

    def _take_completed(self, fact: TrainingCompleted) -> list[Fact]:
        state = self._state
        facts = self._close_epoch(validated=False)
        state.completed, state.final_tests = True, 0
        state.era += 1
        return [*facts, fact]

    def _take_new_process(self, mark: NewProcess) -> list[Fact]:
        self._forget_process()
        if mark.note.kind == "options":
            self._state.tested_weights = mark.weights
        return self._take_note(mark.note)

    def _take_fused(self, mark: LayersFused) -> list[Fact]:
        self._state.fused = True
        return []

    def _take_head_missing(self, mark: HeadMissing) -> list[Fact]:
        self._state.head_missing = True
        return []

    def _take_header(self, mark: EpochHeader) -> list[Fact]:
        state = self._state
        facts = self._close_epoch(validated=False)
        state.columns = list(mark.columns)
        state.era += 1
        state.completed = False
        return facts

    def _take_epoch(self, mark: EpochBar) -> list[Fact]:
        state = self._state
        facts: list[Fact] = []
        if state.pending is not None and state.pending["epoch"] != mark.epoch:
            facts += self._close_epoch(validated=state.pending["epoch"] == mark.epoch - 1)
        state.progress = progress_fields(self.progress_of(mark)) or state.progress
        state.epoch, state.last_epoch = mark.epoch, mark.last_epoch
        state.completed = False
        state.era += 1
        state.rows_open = False
        complete = mark.bar.is_complete if mark.bar else None
        row: dict[str, Any] = {
            "epoch": mark.epoch,
            "last_epoch": mark.last_epoch,
            "values": dict(mark.values),
            "seconds": mark.bar.elapsed_seconds if mark.bar else None,
        }
        if complete:
            state.pending = None
            facts += self._emit_epoch(row)
        else:
            state.pending = row | {"cut": complete is None}
        return facts

    def _close_epoch(self, *, validated: bool) -> list[Fact]:
        """The pending row, now that what follows shows that its epoch is over.

        Args:
            validated: what follows also proves it for a bar that did not reach its end in this log. Its running means
                are not the epoch's, so the row then comes without them.
        """
        row, self._state.pending = self._state.pending, None
        if row is None or not (row["cut"] or validated):
            return []
        return self._emit_epoch(row if row.pop("cut") else row | {"values": {}, "seconds": None})

    def _emit_epoch(self, row: dict[str, Any]) -> list[Fact]:
        state = self._state
        key = [row["epoch"], row["last_epoch"], row["values"]]
        if state.emitted == key:
            return []
        if state.emitted is None or state.emitted[0] != row["epoch"]:
            state.validated = None
        state.emitted = key
        return [EpochRow(**row)]

    def _take_validation_bar(self, mark: ValidationBar) -> list[Fact]:
        state = self._state
        facts = self._close_epoch(validated=True)
        state.progress = progress_fields(self.progress_of(mark)) or state.progress
        is_over = mark.bar is None or mark.bar.is_complete is not False
        newest = state.waiting[-1] if state.waiting else None
        if newest is not None and newest.era == state.era:
            newest.is_over = is_over
            return facts
        if newest is not None and not newest.is_over:
            state.waiting.pop()  # it was given up
        state.rows_open = False
        evaluation = self._new_evaluation()
        evaluation.is_over = is_over
        state.waiting.append(evaluation)
        del state.waiting[:-100]
        return facts

    def _new_evaluation(self) -> Evaluation:
        """What is evaluated next, by all that was said before."""
        state = self._state
        evaluation = Evaluation(era=state.era)
        if state.announced is not None:
            (evaluation.label, evaluation.weights), state.announced = state.announced, None
        elif state.completed:
            if state.final_tests < len(_FINAL_ORDER):
                evaluation.weights = _FINAL_ORDER[state.final_tests]
            state.final_tests += 1
        elif state.epoch is not None and state.validated != state.epoch:
            evaluation.epoch = state.validated = state.epoch
        elif state.epoch is None:
            evaluation.weights = state.tested_weights
        return evaluation

    def _take_metrics(self, mark: MetricsRow) -> list[Fact] | None:
        state = self._state
        if mark.class_name != "all":
            if not state.rows_open or state.current is None:
                return None
            return [self._row(mark, state.current)]
        if not state.waiting and state.head_missing and state.epoch is None:
            return []  # it belongs to an epoch whose row has been thrown away
        state.era += 1
        state.current = state.waiting.pop(0) if state.waiting else self._new_evaluation()
        state.current.number = state.evaluations
        state.evaluations += 1
        state.rows_open = True
        return [self._row(mark, state.current)]

    @staticmethod
    def _row(mark: MetricsRow, evaluation: Evaluation) -> ValidationRow:
        return ValidationRow(
            class_name=mark.class_name,
            images=mark.images,
            labels=mark.labels,
            values=mark.values,
            evaluation=evaluation.number,
            epoch=evaluation.epoch,
            weights=evaluation.weights,
            label=evaluation.label,
        )

    def _take_coco(self, mark: CocoNumber) -> list[Fact]:
        state = self._state
        state.rows_open = False
        current = state.current
        is_other = current is not None and (mark.key in current.coco or len(current.coco) == _COCO_LINES)
        if current is None or is_other or (current.epoch is not None and state.completed):
            state.current = current = self._new_evaluation()
            current.number = state.evaluations
            state.evaluations += 1
        current.coco.append(mark.key)
        return [CocoLine(mark.key, mark.text, current.number, current.epoch, current.weights, current.label)]

    def _take_note(self, note: Note) -> list[Fact]:
        state = self._state
        if state.last_note == note.text or state.notes >= _MOST_NOTES:
            return []
        state.notes += 1
        state.last_note = note.text
        return [note]

    def _take_event(self, event: StageEvent) -> list[Fact]:
        state = self._state
        state.rows_open = False
        if event.name == "stage":
            self._forget_process()
        elif event.name == "evaluating":
            state.era += 1
            state.waiting.clear()
            label, weights = event.payload.get("label"), event.payload.get("weights")
            state.announced = [label if isinstance(label, str) else None, weights if isinstance(weights, str) else None]
            state.current = None
        elif event.name == "evaluation":
            return [replace(event, evaluation=self._evaluated())]
        return [event]

    def _evaluated(self) -> int:
        """The evaluation that our own event after it speaks of."""
        state = self._state
        if state.current is None:
            state.current = state.waiting.pop(0) if state.waiting else self._new_evaluation()
            state.current.number = state.evaluations
            state.evaluations += 1
        return state.current.number

    def _forget_process(self) -> None:
        """Nothing that the process before was in the middle of will be finished."""
        state = self._state
        state.pending = state.announced = state.current = state.emitted = state.progress = None
        state.epoch = state.last_epoch = state.validated = None
        state.waiting.clear()
        state.completed = state.fused = state.rows_open = False
        state.era += 1


def _progress(
    phase: str,
    bar: BarText,
    epoch: int | None = None,
    last_epoch: int | None = None,
    values: dict[str, str] | None = None,
) -> Progress | None:
    if bar.done is None or bar.total is None:
        return None
    return Progress(
        phase=phase,
        done=bar.done,
        total=bar.total,
        epoch=epoch,
        last_epoch=last_epoch,
        elapsed_seconds=bar.elapsed_seconds,
        remaining_seconds=bar.remaining_seconds,
        rate=bar.rate,
        values=values or {},
    )


def progress_fields(progress: Progress | None) -> dict[str, Any] | None:
    """A progress as plain data."""
    if progress is None:
        return None
    fields = {name: getattr(progress, name) for name in Progress.__slots__}
    return fields | {"values": dict(progress.values)}
