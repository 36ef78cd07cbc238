"""Which epoch the rows of a validation belong to, where they stand apart from it or some are lost.

What writes stdout into a file before stderr (wandb's `output.log`, `cat out err`) puts all rows first: they come from
stdout, bars and titles from stderr. Row k is then that of the k-th epoch.
"""

from engine.contracts.facts import ValidationRow
from engine.logs.builder_state import Evaluation, State

ROWS_BEFORE_EPOCHS = "validation rows stand before the epochs: each was given to the epoch of the same place"
_MOST_ROWS = 5000
_MOST_FINAL_TESTS = 2
"""Rows behind those of the epochs: YOLOv7 evaluates its last and best weights at the end."""


def may_be_early(state: State) -> bool:
    """Return whether nothing stands before a row: no titles, epoch, bar or announcement."""
    is_first = state.dialect is None and state.epoch is None and not state.waiting and not state.completed
    is_announced = state.announced is not None or state.tested_weights is not None
    return is_first and not is_announced and len(state.early) < _MOST_ROWS


def early_epochs(state: State, rows: int) -> list[int]:
    """Return the epochs of the first of so many early rows; none if the counts do not agree."""
    if not rows or state.first_emitted is None or state.epoch is None:
        return []
    epochs = list(range(state.first_emitted, state.epoch + 1))
    return epochs if 0 <= rows - len(epochs) <= _MOST_FINAL_TESTS else []


def release_early(state: State) -> tuple[list[ValidationRow], bool]:
    """Return the early rows, and whether they were given to epochs: those that are too many are evaluations alone."""
    rows, state.early = state.early, []
    epochs = early_epochs(state, len(rows))
    facts = []
    for number, (images, labels, values) in enumerate(rows):
        evaluation = Evaluation(epoch=epochs[number] if number < len(epochs) else None, number=state.evaluations)
        state.evaluations += 1
        state.current, state.rows_open = evaluation, True
        facts.append(placed(ValidationRow("all", images, labels, values), evaluation))
    return facts, bool(epochs)


def placed(row: ValidationRow, evaluation: Evaluation) -> ValidationRow:
    """Enter the evaluation that a row belongs to."""
    row.evaluation, row.epoch = evaluation.number, evaluation.epoch
    row.weights, row.label = evaluation.weights, evaluation.label
    return row


def next_waiting(state: State) -> Evaluation | None:
    """Return what the next row belongs to: the oldest bar that waits for one, unless rows of older ones are lost."""
    if not state.waiting:
        return None
    is_behind_its_bar = state.waiting[-1].era == state.era
    if len(state.waiting) > 1 and state.is_prompt and is_behind_its_bar:
        del state.waiting[:-1]
    elif len(state.waiting) > 1 or is_behind_its_bar:
        state.is_prompt = len(state.waiting) == 1
    return state.waiting.pop(0)
