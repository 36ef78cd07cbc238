"""Base of the widgets that draw their lines themselves and refresh only those that changed."""

from collections.abc import Sequence

from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from app.widgets.base.cells_to_strips import strip
from app.widgets.base.styled_text import Cell


class LineWidget(Widget):
    """A widget of fixed size whose content is a list of lines.

    Unchanged lines are not redrawn, so an idle screen sends nothing over SSH.
    """

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Cell] = []

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        """Return the lines for a content area of this size; missing ones are blank."""
        return ()

    def repaint(self) -> None:
        """Paint again, and refresh the lines that changed."""
        columns, rows = self.content_size
        if not columns or not rows:
            return
        before, now = self._lines, list(self.paint(columns, rows))[:rows]
        self._lines = now
        changed = [
            y
            for y in range(max(len(before), len(now)))
            if (before[y] if y < len(before) else "") != (now[y] if y < len(now) else "")
        ]
        if changed:
            self.refresh(*(Region(0, y, columns, 1) for y in changed))

    @property
    def lines(self) -> tuple[Cell, ...]:
        """The lines as painted last."""
        return tuple(self._lines)

    def on_resize(self, event: events.Resize) -> None:
        """Paint all lines again for the new size."""
        self._lines = []
        self.repaint()

    def render_line(self, y: int) -> Strip:
        columns = self.content_size.width
        return strip(self._lines[y] if y < len(self._lines) else "", columns, self.visual_style)
