"""The tabs above the panes of a run, where the terminal has no room for several at once."""

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.reactive import reactive

from app.widgets.base.line_widget import LineWidget
from app.widgets.base.styled_text import Cell, Span, fit, width


class PaneTabs(LineWidget):
    """One line: `1 Epochs  2 Curves …`, the active one marked."""

    DEFAULT_CSS = """
    PaneTabs { height: 1; padding: 0 1; background: $surface; }
    """

    active: reactive[str] = reactive("", repaint=False)
    """Id of the active pane."""
    note: reactive[str] = reactive("", repaint=False)
    """Text about the active pane, at the right."""
    is_notable: reactive[bool] = reactive(True, repaint=False)
    """Whether the note is more than a legend."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, panes: Sequence[tuple[str, str]], active: str) -> None:
        """Take ids and titles of the panes, in order."""
        super().__init__()
        self._panes = tuple(panes)
        self._places: list[tuple[int, int, str]] = []
        self.set_reactive(PaneTabs.active, active)

    def watch_active(self) -> None:
        """Draw what changed."""
        self.repaint()

    def watch_note(self) -> None:
        """Draw what changed."""
        self.repaint()

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        line = self._tabs(" ")
        if columns - width(tuple(line)) - 1 < len(self.note):
            line = self._tabs("")
        room = columns - width(tuple(line)) - 1
        if self.note and room > 8:
            line += [(" ", ""), *fit(((self.note, "warn" if self.is_notable else "muted"),), room, "right")]
        return [tuple(line)]

    def _tabs(self, gap: str) -> list[Span]:
        line: list[Span] = []
        self._places, x = [], 0
        for number, (pane, title) in enumerate(self._panes, start=1):
            is_active = pane == self.active
            text = f"[{title}]" if is_active else f" {title}{gap}"
            line += [
                (f"{number}", "title" if is_active else "muted"),
                (text, "title" if is_active else "muted"),
                (" ", ""),
            ]
            size = len(text) + 1
            self._places.append((x, x + size, pane))
            x += size + 1
        return line

    def on_click(self, event: events.Click) -> None:
        """Choose the tab that was clicked."""
        x = event.get_content_offset_capture(self).x
        for start, end, pane in self._places:
            if start <= x < end:
                self.post_message(self.Chosen(pane))
