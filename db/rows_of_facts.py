"""Facts of one attempt → rows, ready to be inserted in bulk."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeGuard

from db.reading.numbers import Cell
from engine.contracts.facts import (
    CheckpointStripped,
    CocoLine,
    Crash,
    EpochRow,
    Fact,
    LogFormat,
    ModelSummary,
    Note,
    OutOfMemory,
    ProcessEnded,
    StageEvent,
    TrainingCompleted,
    TrainingStarted,
    ValidationRow,
)

_KINDS: Mapping[type, str] = {
    LogFormat: "log format",
    ModelSummary: "model summary",
    TrainingStarted: "training started",
    TrainingCompleted: "training completed",
    CheckpointStripped: "checkpoint stripped",
    Crash: "crash",
    ProcessEnded: "process ended",
    OutOfMemory: "out of memory",
}
_VALIDATION_LOSSES = ("box", "obj", "cls")

LOG = "log"
RESULT = "result.json"


class FactRows:
    """Rows by their keys: what comes later replaces what came before, as it does between two transactions."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}
        self.metrics: dict[tuple[int, str], Cell] = {}
        self.precise: dict[tuple[int, str], Cell] = {}
        """Values from events; the text stays that of the log where there is one."""
        self.evaluations: dict[int, dict[str, Any]] = {}
        self.evaluation_metrics: dict[tuple[int, str, str], Cell] = {}
        self.events: list[tuple[str, str]] = []
        """Kind and payload, in order."""

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "FactRows":
        rows = cls()
        rows.add(facts)
        return rows

    def add(self, facts: Iterable[Fact]) -> None:
        """Add the rows of further facts of the same attempt."""
        for fact in facts:
            self._add(fact)

    @property
    def cells(self) -> int:
        """How many numbers the rows hold."""
        return len(self.metrics) + len(self.evaluation_metrics)

    @property
    def changed_epochs(self) -> set[int]:
        """The epochs that the rows tell of."""
        return self.epochs.keys() | {epoch for epoch, _ in (*self.metrics, *self.precise)}

    @property
    def is_empty(self) -> bool:
        """Whether the facts bring no rows."""
        return not (
            self.epochs or self.metrics or self.precise or self.evaluations or self.evaluation_metrics or self.events
        )

    def _add(self, fact: Fact) -> None:
        match fact:
            case EpochRow():
                self._add_epoch(fact)
            case ValidationRow():
                self._add_validation(fact)
            case CocoLine():
                self._name_evaluation(fact.evaluation, fact.epoch, fact.label, fact.weights)
                self.evaluation_metrics[fact.evaluation, "", fact.key] = printed(fact.text)
            case StageEvent(name="epoch"):
                self._add_epoch_event(fact.payload)
            case StageEvent(name="evaluation", evaluation=int() as number):
                self._add_evaluation_event(number, fact.payload)
            case StageEvent(name="evaluating"):
                pass
            case StageEvent():
                self.events.append((fact.name, to_json(fact.payload)))
            case Note():
                self.events.append((fact.kind, to_json({"text": fact.text})))
            case _:
                kind = _KINDS.get(type(fact))
                if kind is not None:
                    self.events.append((kind, to_json(asdict(fact))))

    def _add_epoch(self, row: EpochRow) -> None:
        self.epochs[row.epoch] = row.last_epoch
        self._set_printed(row.epoch, row.values, row.source)
        if row.seconds is not None:
            self._set_metric(row.epoch, "seconds", precise(row.seconds))

    def _add_validation(self, row: ValidationRow) -> None:
        if row.epoch is not None and row.class_name == "all":
            self._set_printed(row.epoch, row.values, row.source)
            return
        evaluation = self._name_evaluation(row.evaluation, row.epoch, row.label, row.weights)
        is_all = row.class_name == "all"
        if is_all:
            evaluation |= {"images": row.images, "labels": row.labels}
        elif row.labels is not None:
            self.evaluation_metrics[row.evaluation, row.class_name, "labels"] = printed(str(row.labels))
        for key, text in row.values.items():
            self.evaluation_metrics[row.evaluation, "" if is_all else row.class_name, key] = printed(text, row.source)

    def _set_printed(self, epoch: int, values: Mapping[str, str], source: str) -> None:
        for key, text in values.items():
            self.metrics[epoch, key] = printed(text, source)
        if self.precise:
            for key in values:
                self.precise.pop((epoch, key), None)

    def _set_metric(self, epoch: int, key: str, number: Cell) -> None:
        self.metrics[epoch, key] = number
        if self.precise:
            self.precise.pop((epoch, key), None)

    def _add_epoch_event(self, payload: Mapping[str, Any]) -> None:
        epoch, epochs = payload.get("epoch"), payload.get("epochs")
        if not isinstance(epoch, int):
            return
        if isinstance(epochs, int):
            self.epochs[epoch] = epochs - 1
        numbers: dict[str, Any] = {}
        if isinstance(metrics := payload.get("metrics"), Mapping):
            numbers |= metrics
        if isinstance(rates := payload.get("lr"), list):
            numbers |= {f"lr/{group}": rate for group, rate in enumerate(rates)}
        if isinstance(losses := payload.get("val_loss"), list):
            numbers |= {f"val/{name}": loss for name, loss in zip(_VALIDATION_LOSSES, losses, strict=False)}
        for key, number in numbers.items():
            if is_number(number):
                self.precise[epoch, key] = precise(number)
        if is_number(seconds := payload.get("seconds")):
            self._set_metric(epoch, "seconds", precise(seconds))

    def _add_evaluation_event(self, number: int, payload: Mapping[str, Any]) -> None:
        descriptors = {
            key: payload[key] for key in ("label", "weights", "backend") if isinstance(payload.get(key), str)
        }
        evaluation = self._name_evaluation(number, None, descriptors.get("label"), descriptors.get("weights"))
        evaluation |= descriptors
        if isinstance(settings := payload.get("settings"), Mapping):
            evaluation["settings"] = to_json(settings)
        if isinstance(metrics := payload.get("metrics"), Mapping):
            for key, value in metrics.items():
                if is_number(value):
                    self.evaluation_metrics[number, "", str(key)] = precise(value)

    def _name_evaluation(
        self, number: int, epoch: int | None, label: str | None, weights: str | None
    ) -> dict[str, Any]:
        row = self.evaluations.setdefault(number, {})
        for key, value in (("epoch", epoch), ("label", label), ("weights", weights)):
            if value is not None:
                row[key] = value
        return row


def printed(text: str, source: str = LOG) -> Cell:
    """Return text and value of a printed number (`0.478`, `7.5G`, `nan`)."""
    try:
        value = float(text[:-1] if text[-1:] == "G" else text)
    except ValueError:
        return text, None, source
    return text, value if math.isfinite(value) else None, source


def precise(value: float, source: str = LOG) -> Cell:
    """Return text and value of a number at full precision."""
    return repr(value), float(value) if math.isfinite(value) else None, source


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_json(value: Any) -> str:
    """Encode a value as JSON that is the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
