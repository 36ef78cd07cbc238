"""The evaluations of a run: P, R, mAP, pycocotools' twelve metrics, and the classes."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from app.formatting import metric
from app.widgets.base.columns import Column
from app.widgets.base.glyphs import glyphs
from app.widgets.base.grid import Grid
from app.widgets.base.styled_text import Cell, clean
from db.views import EvaluationView, Number, RunDetail

COCO: Mapping[str, str] = {
    "AP": "AP   .50:.95  all    100",
    "AP50": "AP   .50      all    100",
    "AP75": "AP   .75      all    100",
    "APs": "AP   .50:.95  small  100",
    "APm": "AP   .50:.95  medium 100",
    "APl": "AP   .50:.95  large  100",
    "AR1": "AR   .50:.95  all      1",
    "AR10": "AR   .50:.95  all     10",
    "AR100": "AR   .50:.95  all    100",
    "ARs": "AR   .50:.95  small  100",
    "ARm": "AR   .50:.95  medium 100",
    "ARl": "AR   .50:.95  large  100",
}
"""The twelve metrics of pycocotools: IoU, area and detections per image."""

YOLO = ("P", "R", "mAP@.5", "mAP@.5:.95")
TITLE = "title:"


def in_order(evaluations: Sequence[EvaluationView]) -> list[EvaluationView]:
    """Return the evaluations of the finished model, then those of epochs, newest first."""
    final = [evaluation for evaluation in evaluations if evaluation.epoch is None]
    return final + [evaluation for evaluation in reversed(evaluations) if evaluation.epoch is not None]


def titles(evaluations: Sequence[EvaluationView]) -> list[str]:
    """Return a title for each: its label, or its file if the label is missing or not unique."""
    labels = [evaluation.label for evaluation in evaluations]
    named: list[str] = []
    for evaluation in evaluations:
        file = PurePosixPath((evaluation.weights or "").replace("\\", "/")).name
        label = evaluation.label
        if not label or label in file:
            named.append(file or "evaluation")
        else:
            named.append(f"{label} {file}".strip() if labels.count(label) > 1 else label)
    return [clean(name) for name in named]


def rows(evaluations: Sequence[EvaluationView]) -> dict[str, list[Cell]]:
    """Return metrics as rows and evaluations as columns, with headings between the groups."""
    table: dict[str, list[Cell]] = {}
    _group(table, "YOLOv7", {name: name for name in YOLO}, [e.values for e in evaluations])
    table["images"] = [(("images, labels", "muted"),), *(((_counts(e), "muted"),) for e in evaluations)]
    _group(table, "pycocotools", COCO, [e.values for e in evaluations])
    names = list(dict.fromkeys(name for e in evaluations for name in e.per_class))
    for key in ("mAP@.5:.95", "mAP@.5"):
        labels = {name: f"  {clean(name)}" for name in names}
        per_class = [{n: v[key] for n, v in e.per_class.items() if key in v} for e in evaluations]
        _group(table, f"{key} by class", labels, per_class)
    return table


def _group(
    table: dict[str, list[Cell]], heading: str, labels: Mapping[str, str], columns: Sequence[Mapping[str, Number]]
) -> None:
    present = [key for key in labels if any(key in column for column in columns)]
    if not present:
        return
    table[f"{TITLE}{heading}"] = [((heading, "title"),), *("" for _ in columns)]
    for key in present:
        values: list[Cell] = [
            clean(metric(column[key])) if key in column else ((glyphs().dash, "faint"),) for column in columns
        ]
        table[f"{heading}:{key}"] = [labels[key], *values]


def _counts(evaluation: EvaluationView) -> str:
    if evaluation.images is None:
        return glyphs().dash
    return f"{evaluation.images}, {evaluation.labels}" if evaluation.labels is not None else str(evaluation.images)


class EvaluationTable(Grid):
    """Metrics by evaluation; scrolls sideways to evaluations that do not fit."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__((), cursor=False, id=id)
        self.empty = (("No final evaluation yet.", "muted"),)

    def show(self, detail: RunDetail) -> None:
        """Show the evaluations of a run."""
        if not detail.evaluations:
            self.empty = ((f"No final evaluation{' yet' if detail.run.state.is_live else ''}.", "muted"),)
            self.set_columns((Column("metric", "", minimum=20),))
            self.set_rows((), lambda key: ())
            return
        evaluations = in_order(detail.evaluations)
        columns = [Column(str(i), title, justify="right", frozen=False) for i, title in enumerate(titles(evaluations))]
        table = rows(evaluations)
        self.set_columns((Column("metric", ""), *columns))
        self.set_rows(list(table), table.__getitem__)
        placement = self.placement
        self.border_subtitle = "left/right: more evaluations" if placement.more_left or placement.more_right else ""
