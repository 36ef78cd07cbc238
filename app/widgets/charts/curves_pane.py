"""The curves of a run: mAP and losses, and precision and recall where there is room."""

from textual.app import ComposeResult
from textual.containers import Vertical

from app.widgets.charts.curves import loss_chart, metric_chart, precision_chart
from app.widgets.charts.plot import Plot
from db.views import RunDetail


class CurvesPane(Vertical, can_focus=True):
    """Charts below each other; a tall pane has three, a low one two."""

    DEFAULT_CSS = """
    CurvesPane #precision { display: none; }
    CurvesPane.-tall #precision { display: block; }
    """

    def compose(self) -> ComposeResult:
        yield Plot(id="map")
        yield Plot(id="loss")
        yield Plot(id="precision")

    def on_resize(self) -> None:
        """Show the third chart from 30 lines on."""
        self.set_class(self.size.height >= 30, "-tall")

    def show(self, detail: RunDetail) -> None:
        """Show the curves of a run."""
        self.query_one("#map", Plot).chart = metric_chart(detail)
        self.query_one("#loss", Plot).chart = loss_chart(detail)
        self.query_one("#precision", Plot).chart = precision_chart(detail)
