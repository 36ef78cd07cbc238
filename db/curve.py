"""A curve of bounded size over epochs: as exact as there is room for, and kept up epoch by epoch."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_POINTS = 256
"""More than any chart of the table has columns; some 2 KB of JSON."""


@dataclass
class Curve:
    """The last value in each of equal ranges of epochs. The ranges double when there are too many of them.

    It depends on the values alone, not on the order in which they came.
    """

    start: int = 0
    """The first epoch that has a value."""
    step: int = 1
    """Epochs per point."""
    end: int = -1
    """The last epoch that has a value."""
    points: list[float | None] = field(default_factory=list)
    """None where no epoch of a range has a value."""

    @classmethod
    def of(cls, values: Iterable[tuple[int, float]]) -> "Curve":
        """Return the curve of epochs and their values, in the order of the epochs."""
        curve = cls()
        for epoch, value in values:
            curve.add(epoch, value)
        return curve

    def add(self, epoch: int, value: float) -> None:
        """Add the value of the last epoch, or of one after it."""
        if not self.points:
            self.start = epoch
        while (epoch - self.start) // self.step >= MOST_POINTS:
            self._halve()
        place = (epoch - self.start) // self.step
        self.points += [None] * (place + 1 - len(self.points))
        self.points[place] = value
        self.end = epoch

    def to_json(self) -> str:
        """Return the points as JSON."""
        return json.dumps(self.points)

    def _halve(self) -> None:
        pairs = zip(self.points[::2], [*self.points[1::2], None], strict=False)
        self.points = [first if second is None else second for first, second in pairs]
        self.step *= 2
