"""A chart on the screen."""

from collections.abc import Sequence

from textual.reactive import reactive

from app.widgets.base.line_widget import LineWidget
from app.widgets.base.styled_text import Cell
from app.widgets.charts.chart import Chart, draw


class Plot(LineWidget):
    """Draws a `Chart` into the space it has."""

    DEFAULT_CSS = """
    Plot { height: 1fr; width: 1fr; }
    """

    chart: reactive[Chart | None] = reactive(None, repaint=False)
    """The chart to draw."""

    def watch_chart(self) -> None:
        """Draw what changed."""
        self.repaint()

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        return draw(self.chart, columns, rows) if self.chart else ()
