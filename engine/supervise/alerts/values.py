"""Alerts on what a training prints: its losses and its mAP."""

import math
from collections import deque
from collections.abc import Iterator, Mapping

from engine.contracts.facts import EpochRow, Fact, Progress, ValidationRow
from engine.logs.loss_names import loss_names
from engine.supervise.alerts.alert import Alert

MAIN_METRIC = "mAP@.5:.95"
SPIKE_EPOCHS = 5
"""A loss is compared with the highest of so many epochs before."""
SPIKE_FACTOR = 1.5
_ALL_CLASSES = "all"
_SECOND_EPOCH = 1
"""As printed; the first one is 0 or 1."""


class ValueAlerts:
    """Takes the facts of a log in their order. Each condition is reported once, and again after it was over."""

    def __init__(self, falling_epochs: int) -> None:
        """Take how many validations in a row must each be worse than the one before."""
        self._falling_epochs = falling_epochs
        self._epoch = -1
        self._is_not_finite = False
        self._begin_training()

    def _begin_training(self) -> None:
        self._losses: deque[float] = deque(maxlen=SPIKE_EPOCHS)
        self._best: tuple[float, int] | None = None
        """mAP and epoch."""
        self._maps: list[float] = []
        """Of the validations that are each worse than the one before, and of that before the first of them."""

    def take(self, fact: Fact) -> Iterator[Alert]:
        """Yield what a fact is reported for."""
        if isinstance(fact, EpochRow) and fact.values:
            if fact.epoch <= _SECOND_EPOCH and fact.epoch < self._epoch:
                self._begin_training()  # another one in the same log, or from the beginning again
            self._epoch = fact.epoch
            losses = _losses_in(fact.values)
            yield from self._check_finite(losses, fact.epoch)
            yield from self._check_spike(losses, fact.epoch)
            self._is_not_finite = any(not math.isfinite(loss) for loss in losses.values())
        elif isinstance(fact, ValidationRow) and fact.class_name == _ALL_CLASSES and fact.epoch is not None:
            value = _number(fact.values.get(MAIN_METRIC, ""))
            if value is not None and math.isfinite(value):
                yield from self._check_best(value, fact.epoch)
                yield from self._check_falling(value, fact.epoch)

    def take_progress(self, progress: Progress | None) -> Iterator[Alert]:
        """Yield what the bar of an unfinished epoch is reported for."""
        if progress is not None and progress.phase == "train":
            yield from self._check_finite(_losses_in(progress.values), progress.epoch)

    def _check_finite(self, losses: Mapping[str, float], epoch: int | None) -> Iterator[Alert]:
        bad = [f"{name} {loss}" for name, loss in losses.items() if not math.isfinite(loss)]
        if bad and not self._is_not_finite:
            self._is_not_finite = True
            yield Alert("nan", f"{', '.join(bad)} in epoch {epoch}")

    def _check_spike(self, losses: Mapping[str, float], epoch: int) -> Iterator[Alert]:
        loss = losses.get("total", sum(losses.values()))
        if not losses or not math.isfinite(loss):
            return
        highest = max(self._losses, default=math.inf)
        if len(self._losses) == SPIKE_EPOCHS and highest > 0 and loss > SPIKE_FACTOR * highest:
            times = f"{loss / highest:.1f} times the highest of the {SPIKE_EPOCHS} epochs before"
            yield Alert("spike", f"loss {loss:.4g} in epoch {epoch}, {times}")
        self._losses.append(loss)

    def _check_best(self, value: float, epoch: int) -> Iterator[Alert]:
        if self._best is not None and value <= self._best[0]:
            return
        if self._best is not None:
            before, best_epoch = self._best
            yield Alert("best", f"{MAIN_METRIC} {value:g} in epoch {epoch}, before {before:g} in epoch {best_epoch}")
        self._best = value, epoch

    def _check_falling(self, value: float, epoch: int) -> Iterator[Alert]:
        self._maps = [*self._maps, value] if self._maps and value < self._maps[-1] else [value]
        if len(self._maps) == self._falling_epochs + 1:
            course = f"from {self._maps[0]:g} to {value:g}"
            yield Alert("falling", f"{MAIN_METRIC} fell for {self._falling_epochs} epochs, {course} in epoch {epoch}")


def _losses_in(values: Mapping[str, str]) -> dict[str, float]:
    numbers = ((name, _number(values[name])) for name in loss_names(values))
    return {name: number for name, number in numbers if number is not None}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
