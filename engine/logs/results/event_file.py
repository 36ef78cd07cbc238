"""TensorBoard's event files of YOLOv5, YOLOv7, YOLOv9 and Ultralytics → facts: an epoch is a step that has its numbers.

Their tags are the columns of `results.csv`. Any other program may write some of these tags, and count batches as steps:
so a step is an epoch only where it holds both losses of a training and the four metrics of a validation.
"""

import math
import re
from typing import Any

from engine.contracts.facts import EpochRow, Fact, LogFormat, Note, ValidationRow
from engine.logs.results.results_csv import is_metric, stored_name
from engine.logs.results.tensorboard import NAME, RecordReader, Scalar, float_text, scalars

_TAG = re.compile(
    r"(?:train|val)/[a-z0-9]{1,20}_loss|(?:x/lr|lr/pg)\d{1,3}"
    r"|metrics/(?:precision|recall|mAP_0\.5(?::0\.95)?|mAP50(?:-95)?)(?:\([BMP]\))?"
)
_METRICS = {"P", "R", "mAP@.5", "mAP@.5:.95"}
_FEWEST_LOSSES = 2
_MOST_VALUES = 64


class EventFileReader:
    """Reads a growing event file; of the same use as the parser of a log."""

    def __init__(self) -> None:
        self.records = RecordReader()
        self.not_understood = 0
        """Records that hold a number of no known tag, or are none that can be read."""
        self._step: int | None = None
        self._values: dict[str, str] = {}
        self._has_boxes = False
        """A metric is told to be one of boxes."""
        self._first: int | None = None
        """What epochs are counted from, once it was told."""
        self._evaluations = 0

    def feed(self, chunk: bytes) -> list[Fact]:
        """The facts that the next bytes bring."""
        was_broken = self.records.broken
        facts: list[Fact] = []
        for record in self.records.feed(chunk):
            facts += self._take(scalars(record))
        if self.records.broken and not was_broken:
            facts += [*self._close(), Note("warning", f"{self.records.broken}; nothing behind it is read")]
        return facts

    def finish(self) -> list[Fact]:
        """The facts of the last step, when nothing follows any more."""
        facts = self._close()
        if self.records.is_cut:
            facts.append(Note("warning", "the event file ends in the midst of a record"))
        return facts

    def state(self) -> dict[str, Any]:
        """Plain data from which `restore` goes on."""
        return {
            "records": self.records.state(),
            "not_understood": self.not_understood,
            "step": self._step,
            "values": self._values,
            "has_boxes": self._has_boxes,
            "first": self._first,
            "evaluations": self._evaluations,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "EventFileReader":
        reader = cls()
        reader.records = RecordReader.restore(state["records"])
        reader.not_understood = state["not_understood"]
        reader._step, reader._values, reader._has_boxes = state["step"], dict(state["values"]), state["has_boxes"]
        reader._first, reader._evaluations = state["first"], state["evaluations"]
        return reader

    def _take(self, found: list[Scalar] | None) -> list[Fact]:
        if found is None:
            self.not_understood += 1
            return []
        facts: list[Fact] = []
        for scalar in found:
            if not _TAG.fullmatch(scalar.tag):
                self.not_understood += 1
                continue
            if scalar.step != self._step:
                facts += self._close()
                self._step = scalar.step
            if len(self._values) < _MOST_VALUES:
                self._values[stored_name(scalar.tag)] = _printed(scalar.value)
                self._has_boxes = self._has_boxes or scalar.tag.endswith("(B)")
        return facts

    def _close(self) -> list[Fact]:
        """The facts of the step, now that nothing more of it follows."""
        step, values = self._step, self._values
        self._step, self._values = None, {}
        losses = [name for name in values if name.endswith("_loss") and not name.startswith("val/")]
        if step is None:
            return []
        if len(losses) < _FEWEST_LOSSES or not values.keys() >= _METRICS:
            self.not_understood += 1
            return []
        facts: list[Fact] = []
        if self._first is None:
            self._first = min(step, 1) if self._has_boxes else 0
            facts.append(LogFormat(NAME, self._first))
        metrics = {name: text for name, text in values.items() if is_metric(name)}
        trained = {name: text for name, text in values.items() if name not in metrics}
        number, self._evaluations = self._evaluations, self._evaluations + 1
        return [
            *facts,
            EpochRow(step, step, trained, source=NAME),
            ValidationRow("all", None, None, metrics, number, step, source=NAME),
        ]


def _printed(value: float) -> str:
    return float_text(value) if math.isfinite(value) else str(value)
