"""Column layout of a table: which columns fit, and how wide. Pure arithmetic, no widget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a `Grid`."""

    key: str
    title: str
    short: str = ""
    """The title used when space is short; empty uses `title`."""
    width: int | None = None
    """Width in terminal columns; None uses the width of the widest cell."""
    minimum: int | None = None
    """Makes the column flexible: it may shrink to this width, and grows to that of its widest cell."""
    fills: bool = False
    """Takes the remaining space; of several such columns, the last visible one does."""
    justify: str = "left"
    priority: int = 0
    """Columns with the highest number are hidden first when the terminal is narrow; 0 is never hidden."""
    is_luxury: bool = False
    """Hidden before any cell of another column is cut."""
    frozen: bool = True
    """A column that isn't frozen can be scrolled away sideways."""


@dataclass(frozen=True)
class Placed:
    """A column as it is drawn."""

    column: Column
    title: str
    width: int


@dataclass(frozen=True)
class Placement:
    """The visible columns of a table, and the hidden ones."""

    columns: tuple[Placed, ...]
    gap: int
    hidden: tuple[str, ...] = ()
    """Titles of the columns that had no room."""
    more_left: bool = False
    more_right: bool = False


def place(columns: Sequence[Column], natural: Mapping[str, int], available: int, skipped: int = 0) -> Placement:
    """Fit columns into a width.

    Hide columns by priority until the rest fits with the smallest gaps and short titles; then use the widest gap and
    long titles if no cell is cut by that. Columns that are not frozen scroll: the first `skipped` of them are left
    out, and those that do not fit are cut at the right.

    Args:
        natural: width of the widest cell, by column key.
        available: columns of the terminal.
        skipped: scrollable columns that are scrolled away at the left.
    """
    scrollable = [c for c in columns if not c.frozen]
    skipped = min(skipped, max(0, len(scrollable) - 1))
    shown = [c for c in columns if c.frozen or c not in scrollable[:skipped]]
    hidden: list[str] = []
    for luxury in [c for c in shown if c.is_luxury and _uncut_width(shown, natural, 1, True) > available]:
        shown.remove(luxury)
        hidden.append(luxury.title)
    while _total_minimum(shown, natural, 1, True) > available:
        droppable = [c for c in shown if c.priority]
        if not droppable:
            break
        last = max(droppable, key=lambda c: (c.priority, shown.index(c)))
        shown.remove(last)
        hidden.append(last.title)
    gap, short = _spacing(shown, natural, available)
    visible, cut = _drop_overflow(shown, natural, available, gap, short)
    return Placement(_stretch(visible, natural, available, gap, short), gap, tuple(hidden), skipped > 0, cut)


def _spacing(columns: Sequence[Column], natural: Mapping[str, int], available: int) -> tuple[int, bool]:
    """Return the gap and whether titles are short: the loosest that cut no cell, else that keep all columns."""
    for gap, short in ((2, False), (1, False), (1, True)):
        if _uncut_width(columns, natural, gap, short) <= available:
            return gap, short
    return 1, _total_minimum(columns, natural, 1, False) > available


def _uncut_width(columns: Sequence[Column], natural: Mapping[str, int], gap: int, short: bool) -> int:
    """Return the width at which no cell of a frozen column is cut."""
    cells = sum(max(_minimum_width(c, natural, short), natural.get(c.key, 0)) for c in columns if c.frozen)
    return cells + gap * (sum(c.frozen for c in columns) - 1)


def _title(column: Column, short: bool) -> str:
    return column.short if short and column.short else column.title


def _minimum_width(column: Column, natural: Mapping[str, int], short: bool) -> int:
    if column.minimum is not None:
        return column.minimum
    return max(natural.get(column.key, 0), len(_title(column, short))) if column.width is None else column.width


def _total_minimum(columns: Sequence[Column], natural: Mapping[str, int], gap: int, short: bool) -> int:
    return sum(_minimum_width(c, natural, short) for c in columns if c.frozen) + gap * (
        sum(c.frozen for c in columns) - 1
    )


def _drop_overflow(
    columns: Sequence[Column], natural: Mapping[str, int], available: int, gap: int, short: bool
) -> tuple[list[Column], bool]:
    """Return the columns that fit, and whether some were cut. The first scrollable one always stays visible."""
    used = _total_minimum(columns, natural, gap, short)
    visible_columns: list[Column] = []
    cut = False
    for column in columns:
        if column.frozen:
            visible_columns.append(column)
            continue
        used += _minimum_width(column, natural, short) + gap
        if used <= available or not any(not c.frozen for c in visible_columns):
            visible_columns.append(column)
        else:
            cut = True
            break
    return visible_columns, cut


def _stretch(
    columns: Sequence[Column], natural: Mapping[str, int], available: int, gap: int, short: bool
) -> tuple[Placed, ...]:
    """Grow the flexible columns to the width of their cells, and give the remaining space to the filling column."""
    widths = {c.key: _minimum_width(c, natural, short) for c in columns}
    room = available - sum(widths.values()) - gap * (len(columns) - 1)
    flexible = [c for c in columns if c.minimum is not None]
    for column in flexible:
        growth = max(0, natural.get(column.key, 0) - widths[column.key])
        width = min(growth, max(0, room))
        widths[column.key] += width
        room -= width
    filling = next((c for c in reversed(columns) if c.fills), None)
    if filling is not None and room > 0:
        widths[filling.key] += room
    return tuple(Placed(c, _title(c, short), widths[c.key]) for c in columns)
