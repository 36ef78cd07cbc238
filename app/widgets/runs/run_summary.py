"""The run under the cursor at a glance: progress, losses, metrics and the curve."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.reactive import reactive

from app.widgets.base.lines import Lines
from app.widgets.base.styled_text import Cell, clean, join, width
from app.widgets.charts.bars import sparkline
from app.widgets.charts.chart import Chart
from app.widgets.charts.curves import map_chart
from app.widgets.charts.plot import Plot
from app.widgets.run.run_text import headline, last_log_line, loss_line, metric_line, progress_line
from db.views import RunDetail, RunView


def summary(run: RunView, detail: RunDetail | None, columns: int, with_trend: bool) -> list[Cell]:
    """Return the summary's lines for a width."""
    trend: Cell = ((sparkline(run.map_curve, 10), "accent"),) if with_trend else ""
    lines: list[Cell] = [
        headline(run),
        progress_line(run, columns),
        last_log_line(run, detail),
        loss_line(run, detail),
        join([metric_line(run, detail, columns - width(trend) - 2), trend]),
    ]
    if detail is not None and not with_trend:
        weights = detail.options.get("weights")
        data = detail.options.get("data")
        lines.append(join([_option("weights", weights), _option("data", data)]))
        lines.append(((clean(run.notes), "muted"),) if run.notes else "")
    return [line for line in lines if line]


def _option(name: str, value: object) -> Cell:
    return ((f"{name} ", "muted"), (clean(str(value)), "")) if value else ""


class SummaryText(Lines):
    """The words of the summary."""

    run: reactive[RunView | None] = reactive(None, repaint=False)
    """Whom it is about."""
    detail: reactive[RunDetail | None] = reactive(None, repaint=False)
    """What is known beyond the table, once it was read."""
    with_trend: reactive[bool] = reactive(True, repaint=False)
    """A sparkline takes the place of the chart where that has no room."""

    def watch_run(self) -> None:
        """Draw what changed."""
        self.repaint()

    def watch_detail(self) -> None:
        """Draw what changed."""
        self.repaint()

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        return summary(self.run, self.detail, columns, self.with_trend) if self.run else ()


class RunSummary(Horizontal):
    """Text at the left, and in a wide terminal the curve of mAP at the right."""

    DEFAULT_CSS = """
    RunSummary { height: 5; border-top: solid $panel; padding: 0 1; }
    RunSummary Plot { display: none; }
    RunSummary SummaryText { height: 4; }
    """

    def compose(self) -> ComposeResult:
        yield SummaryText()
        yield Plot()

    def show(self, run: RunView | None, detail: RunDetail | None) -> None:
        """Show this run; `detail` may come later, or be of another run and is then left out."""
        fitting = detail if run is not None and detail is not None and detail.run.id == run.id else None
        text = self.query_one(SummaryText)
        text.with_trend = not self.screen.has_class("-roomy")
        text.run, text.detail = run, fitting
        chart: Chart | None = map_chart(run, fitting) if run is not None else None
        self.query_one(Plot).chart = chart
