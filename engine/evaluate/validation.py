"""The result of an evaluation, and the rows that YOLOv7 prints of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine.contracts.result import EvaluationResult, EvaluationSettings
from engine.evaluate.matches import Matches
from engine.evaluate.metrics import ClassMetrics, fitness

HEADER = ("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95")
ROW = "%20s" + "%12i" * 2 + "%12.3g" * 4
SPEED = "Speed: %.1f/%.1f/%.1f ms inference/NMS/total per %gx%g image at batch-size %g"


@dataclass(frozen=True)
class Validation:
    """The result of an evaluation; metrics are fractions, 0 to 1."""

    settings: EvaluationSettings
    names: Sequence[str]
    class_metrics: ClassMetrics
    label_counts: np.ndarray
    """(nc,) labels per class."""
    losses: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Means of box, obj and cls over batches; zeros without a loss function."""
    milliseconds: dict[str, float] = field(default_factory=dict)
    """`inference`, `nms`, `total`, per image."""
    coco: dict[str, float] | None = None
    """pycocotools' twelve numbers; -1 if there are no labels."""
    matches: Matches | None = None
    """Matches image by image, if pycocotools ran."""

    @property
    def labels(self) -> int:
        return int(self.label_counts.sum())

    @property
    def precision(self) -> float:
        return _mean(self.class_metrics.precision)

    @property
    def recall(self) -> float:
        return _mean(self.class_metrics.recall)

    @property
    def map50(self) -> float:
        return _mean(self.class_metrics.ap[:, 0])

    @property
    def map(self) -> float:
        return _mean(self.class_metrics.ap.mean(1))

    @property
    def fitness(self) -> float:
        return fitness(self.map50, self.map)

    @property
    def maps(self) -> np.ndarray:
        """(nc,) mAP@.5:.95 of each class; a class without labels gets the mean."""
        maps = np.full(len(self.names), self.map)
        maps[self.class_metrics.classes] = self.class_metrics.ap.mean(1)
        return maps

    def metrics(self) -> dict[str, float]:
        """Return all numbers by the names that the log prints."""
        metrics = {"P": self.precision, "R": self.recall, "mAP@.5": self.map50, "mAP@.5:.95": self.map}
        return metrics | (self.coco or {})

    def per_class(self) -> dict[str, dict[str, float]]:
        """Return the numbers of each class that has labels."""
        m = self.class_metrics
        return {
            self.names[kind]: {
                "labels": float(self.label_counts[kind]),
                "P": float(m.precision[k]),
                "R": float(m.recall[k]),
                "mAP@.5": float(m.ap[k, 0]),
                "mAP@.5:.95": float(m.ap[k].mean()),
            }
            for k, kind in enumerate(m.classes)
        }

    def with_coco(self, coco: dict[str, float], matches: Matches) -> "Validation":
        """Return the same with pycocotools' numbers and the matches of each image."""
        return replace(self, coco=coco, matches=matches)

    def all_row(self) -> str:
        """Format the `all` row."""
        return ROW % ("all", self.settings.images, self.labels, self.precision, self.recall, self.map50, self.map)

    def class_rows(self) -> Iterator[str]:
        """Format one row per class that has labels; the images column repeats the total, as in YOLOv7."""
        for name, row in self.per_class().items():
            values = (row["P"], row["R"], row["mAP@.5"], row["mAP@.5:.95"])
            yield ROW % (name, self.settings.images, row["labels"], *values)

    def speed_line(self, batch_size: int) -> str:
        """Format the `Speed:` line."""
        times = (self.milliseconds[key] for key in ("inference", "nms", "total"))
        size = self.settings.image_size
        return SPEED % (*times, size, size, batch_size)


def evaluation_result(
    validation: Validation, *, label: str, weights: str, backend: str, matches: str | None = None
) -> EvaluationResult:
    """Convert a validation to the entry of `result.json`.

    Args:
        validation: the result.
        label: name of the model: `float`, `PTQ`, …
        weights: path of the evaluated file.
        backend: backend of the predictor.
        matches: file of its matches, relative to the run folder.
    """
    return EvaluationResult(
        label=label,
        weights=weights,
        backend=backend,
        settings=validation.settings,
        metrics=validation.metrics(),
        per_class=validation.per_class(),
        milliseconds_per_image=validation.milliseconds,
        matches=matches,
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
