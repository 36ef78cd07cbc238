"""Is a difference in mAP more than the choice of the images? Paired bootstrap over images (Efron 1979).

Images are drawn with replacement, and mAP is computed of each drawing. Evaluations of the same images are drawn alike,
so the differences of two, drawing by drawing, tell how the difference depends on the images: the interval is the middle
95 % of them (percentile method).
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

METRICS = ("mAP@.5", "mAP@.5:.95")


@dataclass(frozen=True)
class Interval:
    """Between which values a difference lies for 95 % of the drawings, in points."""

    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the images do not decide its sign."""
        return self.low <= 0 <= self.high

    @property
    def text(self) -> str:
        """`−1.21…+0.43`"""
        return f"{self.low:+.2f}…{self.high:+.2f}".replace("-", "−")


@dataclass(frozen=True)
class Resampling:
    """One evaluation, computed of many drawings of its images."""

    of: str
    """SHA-256 over images, labels and the way AP is computed: only equal ones are paired. Empty where nothing could be
    computed."""
    maps: Mapping[str, Sequence[float | None]]
    """mAP of each drawing by metric, as fractions; None where no label was drawn."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Resampling":
        """What `to_json` has written.

        Raises:
            ValueError: it is something else.
        """
        record = json.loads(text)
        if not isinstance(record, dict) or record.keys() != {"of", "maps"} or not isinstance(record["maps"], dict):
            raise ValueError("no resampling")
        lists = record["maps"].values()
        if not all(isinstance(maps, list) and all(isinstance(m, float | None) for m in maps) for maps in lists):
            raise ValueError("no resampling")
        return cls(str(record["of"]), record["maps"])


def paired_intervals(reference: Resampling, own: Resampling) -> dict[str, Interval]:
    """The intervals of the differences of `own` to `reference`, by metric; empty where they cannot be paired."""
    if not own.of or reference.of != own.of:
        return {}
    found = {}
    for metric in METRICS:
        pairs = zip(own.maps.get(metric, ()), reference.maps.get(metric, ()), strict=False)
        differences = [100 * (a - b) for a, b in pairs if a is not None and b is not None]
        if len(differences) > 1:
            steps = statistics.quantiles(differences, n=40, method="inclusive")  # of 2.5 % each
            found[metric] = Interval(steps[0], steps[-1])
    return found
