"""A scrolling pane of prepared lines."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from app.widgets.base.styled_text import Cell, content


class LinesPane(VerticalScroll):
    """The lines, wrapped to the pane's width unless the style says otherwise."""

    DEFAULT_CSS = """
    LinesPane { scrollbar-size-vertical: 1; }
    LinesPane Static { width: 100%; height: auto; }
    """

    lines: reactive[tuple[Cell, ...]] = reactive((), repaint=False)
    """The lines to show."""

    def compose(self) -> ComposeResult:
        yield Static()

    def watch_lines(self) -> None:
        """Draw what changed."""
        if self.is_mounted:
            self.query_one(Static).update(Content("\n").join([content(line) for line in self.lines]))
