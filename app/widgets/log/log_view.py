"""The end of a run's log, with terminal control sequences removed."""

from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.keymap import bindings
from app.widgets.base.cells_to_strips import strip
from app.widgets.base.styled_text import Cell, clean

_TONES = (
    ("Traceback", "bad"),
    ("Error", "bad"),
    ("error:", "bad"),
    ("WARNING", "warn"),
    ("::yoloqat", "faint"),
)
"""Pairs of text and tone; the first text that a line contains determines its tone."""


def tone(line: str) -> str:
    """Return the tone of a log line: that of errors, warnings, events and headers differs."""
    for text, name in _TONES:
        if text in line:
            return name
    head = line.split(None, 1)[0] if line.strip() else ""
    return "muted" if head in ("Epoch", "Class") else ""


class LogView(ScrollView, can_focus=True):
    """Follows the log. Scrolling up pauses it and keeps the shown lines; End follows again."""

    BINDINGS = bindings("log")

    DEFAULT_CSS = """
    LogView { height: 1fr; overflow-x: auto; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    """

    paused: reactive[bool] = reactive(False, repaint=False)
    """Whether the view is scrolled away from the end."""
    note: reactive[str] = reactive("", repaint=False)
    """States that the log is paused, and how to follow it again; empty while following."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[str, ...] = ()
        self._waiting: tuple[str, ...] | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines shown."""
        return self._lines

    def show(self, lines: tuple[str, ...]) -> None:
        """Show the end of the log; while paused, keep the lines for later."""
        cleaned = tuple(clean(line.expandtabs(8)) for line in lines)
        if self.paused:
            self._waiting = cleaned
            self._tell()
            return
        self._put(cleaned)

    def clear(self) -> None:
        """Remove the lines, before another run is shown."""
        self._waiting = None
        self.paused = False
        self._put(())

    def _put(self, lines: tuple[str, ...]) -> None:
        before, self._lines, self._waiting = self._lines, lines, None
        size = Size(max((len(line) for line in lines), default=0), len(lines))
        if size != self.virtual_size:
            self.virtual_size = size
        if len(before) == len(lines) and before[:-1] == lines[:-1]:
            self.refresh(Region(0, len(lines) - 1 - self.scroll_offset.y, self.size.width, 1))
        elif before != lines:
            self.refresh()
        if not self.paused:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self._tell()

    def _tell(self) -> None:
        if not self.paused:
            self.note = ""
        elif self._waiting is not None and self._waiting != self._lines:
            self.note = "paused, new lines: End"
        else:
            self.note = "paused: End follows"

    def watch_note(self, note: str) -> None:
        """Show the note in the border, too."""
        self.border_subtitle = note

    def watch_paused(self, paused: bool) -> None:
        """Show the waiting lines when the view follows again."""
        if not paused and self._waiting is not None:
            self._put(self._waiting)
        self._tell()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Pause when the view leaves the end."""
        super().watch_scroll_y(old_value, new_value)
        self.paused = round(new_value) < self.max_scroll_y

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        """Set the position of a scroll bar that appears: Textual updates it only while it is shown."""
        if shown:
            self.vertical_scrollbar.position = self.scroll_y

    def on_resize(self) -> None:
        """Stay at the end unless paused."""
        if not self.paused:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def action_move(self, step: int) -> None:
        """Scroll by lines."""
        self.scroll_to(y=self.scroll_offset.y + step, animate=False, force=True)

    def action_page(self, step: int) -> None:
        """Scroll by pages."""
        self.action_move(step * max(1, self.size.height - 1))

    def action_start(self) -> None:
        """Scroll to the oldest line that was read."""
        self.scroll_to(y=0, animate=False, force=True)

    def action_follow_end(self) -> None:
        """Scroll to the end, and follow again."""
        self.paused = False
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def action_across(self, step: int) -> None:
        """Scroll sideways."""
        self.scroll_to(x=self.scroll_offset.x + step, animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        row = top + y
        text = self._lines[row] if row < len(self._lines) else ""
        cell: Cell = ((text[left : left + self.size.width], tone(text)),)
        return strip(cell, self.size.width, self.visual_style)
