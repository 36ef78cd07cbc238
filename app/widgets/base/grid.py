"""A table of any length that formats and draws only the rows that are visible."""

from collections.abc import Callable, Mapping, Sequence

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from app.keymap import bindings
from app.widgets.base.cells_to_strips import strip
from app.widgets.base.columns import Column, Placement, place
from app.widgets.base.glyphs import glyphs
from app.widgets.base.styled_text import Cell, Span, fit, spans, width

CellsOf = Callable[[str], Sequence[Cell]]
"""Row key → its cells, one per column in the order of the columns."""


class Grid(ScrollView, can_focus=True):
    """Rows by key under a fixed header.

    New rows are compared with those on the screen: only lines that differ are redrawn, and the cursor stays on its row
    when that row moves.
    """

    BINDINGS = bindings("grid")

    COMPONENT_CLASSES = {"grid--header", "grid--cursor", "grid--cursor-blurred"}
    """
    | Class | Description |
    | :- | :- |
    | `grid--header` | the titles |
    | `grid--cursor` | the row under the cursor, focused |
    | `grid--cursor-blurred` | the row under the cursor, not focused |
    """

    DEFAULT_CSS = """
    Grid {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .grid--header { color: $foreground-muted; text-style: bold; background: $background; }
        & > .grid--cursor { background: $primary 28%; text-style: bold; }
        & > .grid--cursor-blurred { background: $primary 12%; }
        &:ansi > .grid--cursor { background: ansi_default; text-style: reverse; }
        &:ansi > .grid--cursor-blurred { background: ansi_default; }
        &:nocolor > .grid--cursor { text-style: reverse; }
    }
    """

    cursor: reactive[int] = reactive(0, repaint=False)
    """Index of the row under the cursor."""
    skipped: reactive[int] = reactive(0, repaint=False)
    """Number of scrollable columns scrolled out of view at the left."""

    class Highlighted(Message):
        """The cursor moved to another row."""

        def __init__(self, grid: "Grid", key: str) -> None:
            super().__init__()
            self.grid = grid
            self.key = key

        @property
        def control(self) -> "Grid":
            return self.grid

    class Selected(Message):
        """A row was opened, by Enter or a double click."""

        def __init__(self, grid: "Grid", key: str) -> None:
            super().__init__()
            self.grid = grid
            self.key = key

        @property
        def control(self) -> "Grid":
            return self.grid

    class HeaderClicked(Message):
        """The title of a column was clicked."""

        def __init__(self, grid: "Grid", column: str) -> None:
            super().__init__()
            self.grid = grid
            self.column = column

        @property
        def control(self) -> "Grid":
            return self.grid

    def __init__(
        self, columns: Sequence[Column] = (), *, cursor: bool = True, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._columns = tuple(columns)
        self._has_cursor = cursor
        self._keys: tuple[str, ...] = ()
        self._index: Mapping[str, int] = {}
        self._cells_of: CellsOf = lambda key: ()
        self._natural: Mapping[str, int] = {}
        self._drawn: dict[int, tuple[Span, ...]] = {}
        self._placement = Placement((), 1)
        self._empty: Cell = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows, top to bottom."""
        return self._keys

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        return self._keys[self.cursor] if 0 <= self.cursor < len(self._keys) else None

    @property
    def empty(self) -> Cell:
        """Text shown when there are no rows."""
        return self._empty

    @empty.setter
    def empty(self, cell: Cell) -> None:
        self._empty = cell
        self._sync()

    @property
    def placement(self) -> Placement:
        """Which columns are visible, and how wide."""
        return self._placement

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns. Call `set_rows` after it."""
        if tuple(columns) != self._columns:
            self._columns = tuple(columns)
            self._drawn = {}

    def set_rows(self, keys: Sequence[str], cells_of: CellsOf, natural: Mapping[str, int] | None = None) -> None:
        """Show these rows.

        Args:
            keys: the rows, top to bottom.
            cells_of: called only for visible rows, if `natural` is given.
            natural: width of the widest cell of each column without a fixed width; None measures all cells.
        """
        key_before, count = self.key, len(self._keys)
        self._keys, self._cells_of = tuple(keys), cells_of
        self._index = {key: i for i, key in enumerate(self._keys)}
        self._natural = self._measure() if natural is None else natural
        if len(self._keys) != count:
            self.virtual_size = Size(0, len(self._keys) + 1)
        target = self._index.get(key_before, self.cursor) if key_before is not None else self.cursor
        target = max(0, min(target, len(self._keys) - 1))
        moved = target != self.cursor
        self.set_reactive(Grid.cursor, target)
        self._sync()
        if moved:
            self._follow_cursor()
        if self.key is not None and self.key != key_before:
            self.post_message(self.Highlighted(self, self.key))

    def move_to(self, key: str) -> None:
        """Put the cursor on a row, if it is there."""
        if key in self._index:
            self.cursor = self._index[key]

    def _measure(self) -> Mapping[str, int]:
        """Return the widest cell of each column without a fixed width."""
        elastic_columns = [(i, c) for i, c in enumerate(self._columns) if c.width is None]
        natural = {c.key: 0 for _, c in elastic_columns}
        if elastic_columns:
            for key in self._keys:
                cells = self._cells_of(key)
                for i, column in elastic_columns:
                    if i < len(cells):
                        natural[column.key] = max(natural[column.key], width(cells[i]))
        return natural

    def _sync(self) -> None:
        """Place the columns, and redraw the lines that have changed."""
        room = self.size.width - 2 * self._has_cursor - self._arrows() - self._bar()
        placement = place(self._columns, self._natural, max(1, room), self.skipped)
        if placement != self._placement:
            self._placement = placement
            self._drawn = {}
            self.placement_changed()
            self.refresh()
            return
        top, height, changed = self.scroll_offset.y, self.size.height, []
        for y in range(1, height):
            before = self._drawn.get(y)
            if before is not None and before != self._line(top + y - 1):
                changed.append(Region(0, y, self.size.width, 1))
        if changed:
            self.refresh(*changed)

    def placement_changed(self) -> None:
        """React to other visible columns or widths. Override it to report hidden columns."""

    def _arrows(self) -> int:
        """Return the width of the arrows that point to columns scrolled out of view, in tables that scroll sideways."""
        return 5 if any(not column.frozen for column in self._columns) else 0

    def _bar(self) -> int:
        """Return the width of the scrollbar, which covers the last columns."""
        return self.styles.scrollbar_size_vertical if len(self._keys) >= self.size.height > 0 else 0

    def _line(self, row: int) -> tuple[Span, ...]:
        """Return one row as spans, cursor sign included."""
        if row >= len(self._keys):
            return spans(self._empty) if row == 0 and not self._keys else ()
        cells = self._cells_of(self._keys[row])
        by_key = {c.key: cell for c, cell in zip(self._columns, cells, strict=False)}
        line: list[Span] = []
        for placed in self._placement.columns:
            if line:
                line.append((" " * self._placement.gap, ""))
            line.extend(fit(by_key.get(placed.column.key, ""), placed.width, placed.column.justify))
        if self._has_cursor:
            line.insert(0, (f"{glyphs().cursor if row == self.cursor else ' '} ", "accent"))
        return tuple(line)

    def _header(self) -> tuple[Span, ...]:
        line: list[Span] = []
        for placed in self._placement.columns:
            if line:
                line.append((" " * self._placement.gap, ""))
            line.extend(fit(placed.title, placed.width, placed.column.justify))
        if self._has_cursor:
            line.insert(0, ("  ", ""))
        if self._placement.more_left or self._placement.more_right:
            sides = (self._placement.more_left * glyphs().left, self._placement.more_right * glyphs().right)
            line.append((f"  {' '.join(side for side in sides if side)}", "accent"))
        return tuple(line)

    def render_line(self, y: int) -> Strip:
        columns = self.size.width
        if y == 0:
            return strip(self._header(), columns, self.get_visual_style("grid--header"))
        row = self.scroll_offset.y + y - 1
        line = self._line(row)
        self._drawn[y] = line
        base = self.visual_style
        if self._has_cursor and self._keys and row == self.cursor:
            base = self._cursor_style("grid--cursor" if self.has_focus else "grid--cursor-blurred")
        return strip(line, columns, base)

    def _cursor_style(self, component: str) -> Style:
        """Return the component's style; Textual's own lookup loses `reverse`."""
        is_reverse = self.get_component_styles(component).text_style.reverse
        return self.get_visual_style(component) + Style(reverse=True if is_reverse else None)

    def on_resize(self) -> None:
        """Place the columns again: another width may fit others."""
        self._drawn = {}
        self._sync()
        # Textual does not redraw cached lines by itself, and `_sync` compares only lines that were drawn.
        self.refresh()
        self._follow_cursor()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Redraw the cursor's row, whose colour depends on the focus."""
        super().watch_has_focus(has_focus)
        self._refresh_row(self.cursor)

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self._keys) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        """Redraw both rows, and post `Highlighted`."""
        self._refresh_row(before)
        self._refresh_row(now)
        self._follow_cursor()
        if self.key is not None:
            self.post_message(self.Highlighted(self, self.key))

    def validate_skipped(self, skipped: int) -> int:
        """Keep at least one scrollable column in view."""
        return max(0, min(skipped, sum(not c.frozen for c in self._columns) - 1))

    def watch_skipped(self) -> None:
        """Place the columns again."""
        self._sync()

    def _refresh_row(self, row: int) -> None:
        y = row - self.scroll_offset.y + 1
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _follow_cursor(self) -> None:
        """Scroll just far enough to show the cursor's row."""
        visible = self.size.height - 1
        if not self._has_cursor or visible < 1:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True)
        elif self.cursor >= top + visible:
            self.scroll_to(y=self.cursor - visible + 1, animate=False, force=True)

    def action_cursor(self, step: int) -> None:
        """Move the cursor, or scroll a table that has none."""
        if self._has_cursor:
            self.cursor += step
        else:
            self.scroll_to(y=self.scroll_offset.y + step, animate=False, force=True)

    def action_page(self, step: int) -> None:
        """Move up or down by a page."""
        self.action_cursor(step * max(1, self.size.height - 2))

    def action_edge(self, end: int) -> None:
        """Move to the first or last row."""
        self.action_cursor(end * max(1, len(self._keys)))

    def action_sideways(self, step: int) -> None:
        """Scroll the columns that aren't frozen."""
        if step < 0 or self._placement.more_right:
            self.skipped += step

    def action_select(self) -> None:
        """Open the row under the cursor."""
        if self.key is not None:
            self.post_message(self.Selected(self, self.key))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor on a click; open the row on a double click."""
        row = self.scroll_offset.y + event.y - 1
        if event.y == 0:
            self._click_header(event.x)
        if not self._has_cursor or event.y < 1 or row >= len(self._keys):
            return
        self.cursor = row
        if event.chain == 2:
            self.action_select()

    def _click_header(self, x: int) -> None:
        start = 2 * self._has_cursor
        for placed in self._placement.columns:
            if start <= x < start + placed.width:
                self.post_message(self.HeaderClicked(self, placed.column.key))
                return
            start += placed.width + self._placement.gap
