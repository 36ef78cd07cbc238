"""What the fact builder remembers between two lines."""

from dataclasses import dataclass, field
from typing import Any

MOST_NOTES = 500
"""Of one log: a warning per image must not fill the store."""


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

    dialect: str | None = None
    """Of the last titles. None before the first ones."""
    columns: list[str] | None = None
    metrics: list[str] | None = None
    planned: int | None = None
    """How many epochs were announced."""
    first_epoch: int | None = None
    """What the dialect counts from, once that is known."""
    told: list[Any] | None = None
    """The dialect and its first epoch, as they were told last."""
    result: list[Any] | None = None
    """The last row of a results file: its epoch and its training values."""
    epoch: int | None = None
    """The newest whose row was seen."""
    last_epoch: int | None = None
    is_headed: bool = False
    """Titles of an epoch stand above what comes next."""
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
    early: list[list[Any]] = field(default_factory=list)
    """Counts and values of `all` rows that stand before everything else, until it is known whose they are."""
    first_emitted: int | None = None
    """The first epoch of the training whose row was told."""
    is_prompt: bool = False
    """The last row came right behind its bar: so rows are not held back in a buffer, and a bar without one lost it."""
    rows_open: bool = False
    """Rows of classes may follow."""
    coco_suffix: str = ""
    """Of what pycocotools said that it evaluates."""
    evaluations: int = 0
    announced: list[str | None] | None = None
    """Label and weights of our own event before an evaluation."""
    tested_weights: str | None = None
    completed: bool = False
    final_tests: int = 0
    fused: bool = False
    foreign: str | None = None
    """Another trainer, which is not read, whose line was seen."""
    head_missing: bool = False
    benchmark: dict[str, Any] | None = None
    """What a program that times a model has printed so far, None when none runs."""
    notes: int = 0
    last_note: str = ""
    progress: dict[str, Any] | None = None
