"""Test whether a difference in mAP exceeds image sampling noise: paired bootstrap over images (Efron 1979).

Images are resampled with replacement, and mAP is computed for each resample. Evaluations of the same images use the
same resamples, so their differences per resample show how the difference depends on the images: the interval is the
middle 95 % of them (percentile method).
"""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

METRICS = ("mAP@.5", "mAP@.5:.95")


@dataclass(frozen=True)
class Interval:
    """95 % interval of a difference over the resamples, in points."""

    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval contains 0."""
        return self.low <= 0 <= self.high

    @property
    def text(self) -> str:
        """The interval as text, such as `−1.21…+0.43`"""
        return f"{self.low:+.2f}…{self.high:+.2f}".replace("-", "−")


@dataclass(frozen=True)
class Resampling:
    """mAP of one evaluation over many resamples of its images."""

    of: str
    """SHA-256 over images, labels and the AP method: only equal ones are paired. Empty if nothing could be computed."""
    maps: Mapping[str, Sequence[float | None]]
    """Metric → mAP of each resample, as fractions; None for a resample without labels."""

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Resampling":
        """Parse the output of `to_json`.

        Raises:
            ValueError: the text is something else.
        """
        record = json.loads(text)
        if not isinstance(record, dict) or record.keys() != {"of", "maps"} or not isinstance(record["maps"], dict):
            raise ValueError("no resampling")
        lists = record["maps"].values()
        if not all(isinstance(maps, list) and all(isinstance(m, float | None) for m in maps) for maps in lists):
            raise ValueError("no resampling")
        return cls(str(record["of"]), record["maps"])


def paired_intervals(reference: Resampling, own: Resampling) -> dict[str, Interval]:
    """Return metric → interval of `own` minus `reference`; empty if the two cannot be paired."""
    if not own.of or reference.of != own.of:
        return {}
    intervals = {}
    for metric in METRICS:
        pairs = zip(own.maps.get(metric, ()), reference.maps.get(metric, ()), strict=False)
        differences = [100 * (a - b) for a, b in pairs if a is not None and b is not None]
        if len(differences) > 1:
            steps = statistics.quantiles(differences, n=40, method="inclusive")  # of 2.5 % each
            intervals[metric] = Interval(steps[0], steps[-1])
    return intervals
