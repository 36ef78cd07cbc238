"""Charts of a run, from its epoch rows. No widget."""

from collections.abc import Sequence

from app.formatting import metric
from app.widgets.base.styled_text import clean
from app.widgets.charts.chart import Chart, Series
from db.views import EpochView, RunDetail, RunView
from engine.logs.loss_names import loss_names

_MOST_LOSSES = 6
"""Number of series tones in `TONES`."""


def series(epochs: Sequence[EpochView], name: str, label: str, tone: str) -> Series:
    """Return the curve of one value of the epoch rows, by epoch."""
    points = tuple(
        (float(epoch.epoch), number.value)
        for epoch in epochs
        if (number := epoch.values.get(name)) is not None and number.value is not None
    )
    last = next((clean(metric(e.values[name])) for e in reversed(epochs) if name in e.values), "")
    return Series(label, points, tone, last)


def last_epoch(detail: RunDetail) -> float | None:
    """Return the last planned epoch, numbered as in the log."""
    return float(detail.epochs[-1].last_epoch) if detail.epochs else None


def loss_chart(detail: RunDetail) -> Chart:
    """Return the chart of the training losses."""
    names = loss_names(name for epoch in detail.epochs for name in epoch.values)
    names.sort(key=lambda name: name != "total")
    del names[_MOST_LOSSES:]
    curves = tuple(series(detail.epochs, name, name, f"series{i}") for i, name in enumerate(names))
    return Chart("loss", tuple(s for s in curves if s.points), last_epoch(detail))


def metric_chart(detail: RunDetail) -> Chart:
    """Return the chart of the mAP after each epoch."""
    curves = (
        series(detail.epochs, "mAP@.5", "@.5", "series1"),
        series(detail.epochs, "mAP@.5:.95", "@.5:.95", "series0"),
    )
    return Chart("mAP", tuple(s for s in curves if s.points), last_epoch(detail), empty="no validation yet")


def precision_chart(detail: RunDetail) -> Chart:
    """Return the chart of precision and recall after each epoch."""
    curves = (series(detail.epochs, "P", "precision", "series2"), series(detail.epochs, "R", "recall", "series3"))
    return Chart("P and R", tuple(s for s in curves if s.points), last_epoch(detail), empty="no validation yet")


def map_chart(run: RunView, detail: RunDetail | None) -> Chart:
    """Return the chart of mAP@.5:.95, from the curve in the run's index row until the epochs are read."""
    if detail is not None:
        curve = series(detail.epochs, "mAP@.5:.95", "", "series0")
        return Chart("mAP@.5:.95", (curve,) if curve.points else (), last_epoch(detail), empty="no validated epochs")
    points = tuple((float((i + 1) * run.map_curve_step - 1), value) for i, value in enumerate(run.map_curve))
    end = float(run.epochs_total - 1) if run.epochs_total else None
    return Chart("mAP@.5:.95", (Series("", points, "series0"),) if points else (), end, empty="no validated epochs")
