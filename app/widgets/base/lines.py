"""Lines of styled text, cut at the right edge."""

from collections.abc import Sequence

from textual.reactive import reactive

from app.widgets.base.line_widget import LineWidget
from app.widgets.base.styled_text import Cell


class Lines(LineWidget):
    """Shows the given lines, one per row."""

    DEFAULT_CSS = """
    Lines { height: 1; width: 1fr; }
    """

    content_lines: reactive[tuple[Cell, ...]] = reactive((), repaint=False)
    """The lines to show."""

    def watch_content_lines(self) -> None:
        """Draw what changed."""
        self.repaint()

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        return self.content_lines
