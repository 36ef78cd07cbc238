"""Tokens → facts: which epoch is finished, and which evaluation a row belongs to.

The original writes bars to stderr and rows to stdout. Into one file they come out of order: a row of the log stands
after the header of the next epoch. So a row is tied to the oldest validation bar that still waits for one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
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
    TrainingStarted,
    ValidationRow,
)
from engine.logs.benchmarks import facts_of_benchmark
from engine.logs.builder_state import MOST_NOTES, Evaluation, State
from engine.logs.dialects import foreign
from engine.logs.dialects.titles import Titles
from engine.logs.epoch_numbering import facts_of_result, is_of_a_lost_epoch, tell_format
from engine.logs.lexer.tokens import (
    BenchmarkLine,
    CocoNumber,
    CocoType,
    EpochBar,
    EpochHeader,
    Evaluating,
    HeadMissing,
    LayersFused,
    NewProcess,
    OtherBar,
    ResultsRow,
    Token,
    Understood,
    ValidationBar,
)
from engine.logs.progress import Place, place_of, progress_fields, progress_of_bar
from engine.logs.row_order import ROWS_BEFORE_EPOCHS, may_be_early, next_waiting, placed, release_early

_FINAL_ORDER = ("last", "best")
"""YOLOv7's order of its final tests."""
_COCO_LINES = 36
"""Of one evaluation by pycocotools: twelve of boxes, of masks and of poses."""


class FactBuilder:
    """Takes the tokens of a log in their order."""

    def __init__(self, state: State | None = None) -> None:
        self._state = state or State()
        self._titles = self._current_titles()
        self._newest: Place | None = None
        """The last bar, until somebody asks for it: of thousands of redraws one is looked at."""
        self._takers: dict[type, Callable[[Any], list[Fact] | None]] = {
            EpochHeader: self._take_header,
            EpochBar: self._take_epoch,
            ValidationBar: self._take_validation_bar,
            ValidationRow: self._take_validation_row,
            ResultsRow: self._take_result,
            Evaluating: self._take_evaluating,
            CocoNumber: self._take_coco,
            CocoType: self._take_coco_type,
            BenchmarkLine: self._take_benchmark,
            OtherBar: self._take_other_bar,
            Note: self._take_note,
            StageEvent: self._take_event,
            ModelSummary: self._take_summary,
            TrainingStarted: self._take_started,
            TrainingCompleted: self._take_completed,
            NewProcess: self._take_new_process,
            LayersFused: self._take_fused,
            HeadMissing: self._take_head_missing,
            Understood: lambda _: [],
        }

    @property
    def memory(self) -> State:
        """What is remembered; to be stored, not to be changed."""
        if self._newest is not None:
            self._state.progress, self._newest = progress_fields(progress_of_bar(*self._newest)), None
        return self._state

    @property
    def titles(self) -> Titles:
        """The last ones."""
        return self._titles

    def _current_titles(self) -> Titles:
        state = self._state
        columns = None if state.columns is None else tuple(state.columns)
        return Titles(state.dialect, columns, None if state.metrics is None else tuple(state.metrics))

    def take(self, token: Token) -> list[Fact] | None:
        """The facts that a token brings; None when the line was not understood after all."""
        taker = self._takers.get(type(token))
        return taker(token) if taker else [token]  # type: ignore[list-item]

    def take_foreign(self, text: str) -> list[Fact]:
        """A note of whose log it is, at the first line that another trainer is known to print."""
        state = self._state
        if state.foreign is None and (name := foreign.trainer_of(text)):
            state.foreign = name
            return self._take_note(Note("foreign", name))
        return []

    def progress_of(self, token: Token) -> Progress | None:
        """Where a bar stands; None when the token is none."""
        place = place_of(token, self._state)
        return None if place is None else progress_of_bar(*place)

    @property
    def progress(self) -> Progress | None:
        """Where the last bar stood."""
        fields = self.memory.progress
        return None if fields is None else Progress(**fields)

    def _take_other_bar(self, token: OtherBar) -> list[Fact]:
        self._state.progress, self._newest = None, place_of(token, self._state)
        return []

    def _take_summary(self, summary: ModelSummary) -> list[Fact]:
        state = self._state
        state.era += 1
        fused, state.fused = summary.fused or state.fused or state.completed, False
        return [replace(summary, fused=fused)]

    def _take_started(self, fact: TrainingStarted) -> list[Fact]:
        self._state.planned = fact.epochs
        return [fact]

    def _take_completed(self, fact: TrainingCompleted) -> list[Fact]:
        state = self._state
        facts = self._close_epoch(validated=False)
        facts += self.finish()
        state.completed, state.final_tests = True, 0
        state.era += 1
        return [*facts, fact]

    def finish(self) -> list[Fact]:
        """The facts that only the end decides: rows before the epochs are tied to them if their counts agree."""
        rows, is_inferred = release_early(self._state)
        return [*rows, *(self._take_note(Note("inferred", ROWS_BEFORE_EPOCHS)) if is_inferred else [])]

    def _take_new_process(self, token: NewProcess) -> list[Fact]:
        if not (token.is_repeated and self._state.announced):
            self._forget_process()
        if token.note.kind == "options":
            self._state.tested_weights = token.weights
        return self._take_note(token.note)

    def _take_evaluating(self, token: Evaluating) -> list[Fact]:
        self._state.announced = [None, token.weights]
        self._state.era += 1
        return []

    def _take_fused(self, token: LayersFused) -> list[Fact]:
        self._state.fused = True
        return []

    def _take_head_missing(self, token: HeadMissing) -> list[Fact]:
        state = self._state
        self._forget_process()  # the line is the first of an output, whose titles may be others
        state.head_missing = True
        state.dialect = state.columns = state.metrics = None
        self._titles = self._current_titles()
        return []

    def _take_header(self, token: EpochHeader) -> list[Fact]:
        state = self._state
        facts = self._close_epoch(validated=False)
        if state.dialect != token.dialect:
            state.metrics = state.first_epoch = None
        if token.first_epoch is not None:
            state.first_epoch = token.first_epoch
        if state.dialect != token.dialect or state.columns != list(token.columns):
            state.dialect, state.columns = token.dialect, list(token.columns)
            self._titles = self._current_titles()
        state.is_headed = True
        state.era += 1
        state.completed = False
        return facts

    def _take_epoch(self, token: EpochBar) -> list[Fact]:
        state = self._state
        facts: list[Fact] = []
        if state.pending is not None and state.pending["epoch"] != token.epoch:
            facts += self._close_epoch(validated=state.pending["epoch"] == token.epoch - 1)
        if token.dialect is not None:
            state.first_epoch = token.first_epoch
        if token.dialect not in (None, state.dialect):
            state.dialect, state.columns = token.dialect, None
            state.validated = state.emitted = None
            self._titles = self._current_titles()
        if state.is_headed and state.validated == token.epoch:
            state.validated = state.emitted = None  # it is run again
        state.is_headed = False
        bar = token.bar
        if bar is not None and bar.done is not None and bar.total is not None:
            self._newest = "train", bar, token.epoch, token.last_epoch, token.values
        state.epoch, state.last_epoch = token.epoch, token.last_epoch
        state.completed = False
        state.era += 1
        state.rows_open = False
        complete = bar.is_complete if bar else None
        seconds = bar.elapsed_seconds if bar else None
        if complete:
            state.pending = None
            return facts + self._emit_epoch(token.epoch, token.last_epoch, token.values, seconds)
        row = {"epoch": token.epoch, "last_epoch": token.last_epoch, "values": dict(token.values), "seconds": seconds}
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
        return self._emit_epoch(**(row if row.pop("cut") else row | {"values": {}, "seconds": None}))

    def _emit_epoch(self, epoch: int, last_epoch: int, values: Mapping[str, str], seconds: float | None) -> list[Fact]:
        state = self._state
        key = [epoch, last_epoch, values]
        if state.emitted == key:
            return []
        if state.emitted is None or state.emitted[0] != epoch:
            state.validated = None
        state.emitted = key
        if state.first_emitted is None:
            state.first_emitted = epoch
        return [*tell_format(state, epoch, last_epoch), EpochRow(epoch, last_epoch, values, seconds)]

    def _take_result(self, token: ResultsRow) -> list[Fact] | None:
        facts = facts_of_result(self._state, token)
        self._titles = self._current_titles()
        return facts

    def _take_validation_bar(self, token: ValidationBar) -> list[Fact]:
        state = self._state
        facts = self._close_epoch(validated=True) + self._take_validation_titles(token)
        self._newest = place_of(token, self._state) or self._newest
        is_over = token.bar is None or token.bar.is_complete is not False
        newest = state.waiting[-1] if state.waiting else None
        if newest is not None and newest.era == state.era:
            newest.is_over = is_over
            return facts
        if newest is not None and not newest.is_over:
            state.waiting.pop()  # it was given up
        if token.is_in_order:
            state.waiting.clear()
        state.rows_open = False
        evaluation = self._new_evaluation()
        evaluation.is_over = is_over
        state.waiting.append(evaluation)
        del state.waiting[:-100]
        return facts

    def _take_validation_titles(self, token: ValidationBar) -> list[Fact]:
        state = self._state
        if self._titles.metrics == token.metrics and state.dialect == token.dialect:
            return []
        metrics = None if token.metrics is None else list(token.metrics)
        if state.dialect != token.dialect:
            state.columns = state.first_epoch = None
        state.dialect, state.metrics = token.dialect, metrics
        self._titles = self._current_titles()
        if state.first_epoch is None and token.first_epoch is not None and state.epoch is not None:
            state.first_epoch = token.first_epoch
            return tell_format(state, state.epoch, state.last_epoch or 0)
        return []

    def _new_evaluation(self) -> Evaluation:
        """What is evaluated next, by all that was said before."""
        state = self._state
        evaluation = Evaluation(era=state.era)
        if state.announced is not None:
            (evaluation.label, evaluation.weights), state.announced = state.announced, None
        elif state.completed:
            if state.final_tests < len(_FINAL_ORDER) and state.dialect in (None, "yolov7"):
                evaluation.weights = _FINAL_ORDER[state.final_tests]
            state.final_tests += 1
        elif state.epoch is not None and state.validated != state.epoch:
            evaluation.epoch = state.validated = state.epoch
        elif state.epoch is None:
            evaluation.weights = state.tested_weights
        return evaluation

    def _take_validation_row(self, row: ValidationRow) -> list[Fact] | None:
        """Enter the evaluation of a row: by its own epoch, as a class of the rows above it, or as the next one."""
        state = self._state
        if row.epoch is not None:
            return self._take_row_of_epoch(row, row.epoch)
        if row.class_name != "all":
            early = self.finish()
            if not state.rows_open or state.current is None:
                return early or None
            return [*early, placed(row, state.current)]
        if is_of_a_lost_epoch(state):
            state.waiting.clear()
            return []
        if may_be_early(state):
            state.early.append([row.images, row.labels, dict(row.values)])
            return []
        state.current = next_waiting(state) or self._new_evaluation()
        state.era += 1
        state.current.number = state.evaluations
        state.evaluations += 1
        state.rows_open = True
        return [placed(row, state.current)]

    def _take_row_of_epoch(self, row: ValidationRow, epoch: int) -> list[Fact]:
        state = self._state
        evaluation, state.current = state.current, None
        if evaluation is None or evaluation.epoch != epoch:
            evaluation = Evaluation(epoch, number=state.evaluations)
            state.evaluations += 1
        state.validated = epoch if epoch == state.epoch else state.validated
        row.evaluation = evaluation.number
        return [row]

    def _take_coco(self, token: CocoNumber) -> list[Fact]:
        state = self._state
        state.rows_open = False
        current = state.current
        key = token.key + (state.coco_suffix if token.suffix is None else token.suffix)
        is_other = current is not None and (key in current.coco or len(current.coco) == _COCO_LINES)
        if current is None or is_other or (current.epoch is not None and state.completed):
            state.current = current = self._new_evaluation()
            current.number = state.evaluations
            state.evaluations += 1
        current.coco.append(key)
        return [CocoLine(key, token.text, current.number, current.epoch, current.weights, current.label)]

    def _take_coco_type(self, token: CocoType) -> list[Fact]:
        self._state.coco_suffix = token.suffix
        return []

    def _take_benchmark(self, token: BenchmarkLine) -> list[Fact]:
        if token.is_first:
            self._forget_process()
        facts = facts_of_benchmark(self._state, token)
        self._titles = self._current_titles()
        return facts

    def _take_note(self, note: Note) -> list[Fact]:
        state = self._state
        if state.last_note == note.text or state.notes >= MOST_NOTES:
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
        state.benchmark, state.coco_suffix = None, ""
        state.epoch = state.last_epoch = state.validated = state.first_epoch = state.planned = None
        state.head_missing = state.is_headed = False
        self._newest = None
        state.waiting.clear()
        state.completed = state.fused = state.rows_open = False
        state.era += 1
