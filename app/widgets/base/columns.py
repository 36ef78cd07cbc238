"""Which columns of a table stand where. Pure arithmetic, no widget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a `Grid`."""

    key: str
    title: str
    short: str = ""
    """The title where space is short; empty keeps `title`."""
    width: int | None = None
    """Columns of the terminal; None takes what the widest cell needs."""
    minimum: int | None = None
    """A flexible column may shrink to this, and grows to what its widest cell needs."""
    fills: bool = False
    """Takes the space that is left over; the last such column that is shown does."""
    justify: str = "left"
    priority: int = 0
    """Columns with the highest number go first when the terminal is narrow; 0 never goes."""
    is_luxury: bool = False
    """Goes before any cell of another column is cut."""
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
    """The visible columns of a table, and what they leave out."""

    columns: tuple[Placed, ...]
    gap: int
    hidden: tuple[str, ...] = ()
    """Titles of the columns that had no room."""
    more_left: bool = False
    more_right: bool = False


def place(columns: Sequence[Column], natural: Mapping[str, int], available: int, skipped: int = 0) -> Placement:
    """Fit columns into a width.

    Columns go by priority until the rest fits tightly; then gaps and titles are as airy as leaves every cell whole.
    Columns that are not frozen are a strip, entered `skipped` columns from its left, that ends where the room does.

    Args:
        natural: width of the widest cell, by column key.
        available: columns of the terminal.
        skipped: scrollable columns that are scrolled away at the left.
    """
    loose = [c for c in columns if not c.frozen]
    skipped = min(skipped, max(0, len(loose) - 1))
    shown = [c for c in columns if c.frozen or c not in loose[:skipped]]
    hidden: list[str] = []
    for luxury in [c for c in shown if c.is_luxury and _whole(shown, natural, 1, True) > available]:
        shown.remove(luxury)
        hidden.append(luxury.title)
    while _needed(shown, natural, 1, True) > available:
        droppable = [c for c in shown if c.priority]
        if not droppable:
            break
        last = max(droppable, key=lambda c: (c.priority, shown.index(c)))
        shown.remove(last)
        hidden.append(last.title)
    gap, short = _tightness(shown, natural, available)
    visible, cut = _cut(shown, natural, available, gap, short)
    return Placement(_stretch(visible, natural, available, gap, short), gap, tuple(hidden), skipped > 0, cut)


def _tightness(columns: Sequence[Column], natural: Mapping[str, int], available: int) -> tuple[int, bool]:
    """Gap and whether titles are short: as airy as leaves every cell whole, or failing that, every column."""
    for gap, short in ((2, False), (1, False), (1, True)):
        if _whole(columns, natural, gap, short) <= available:
            return gap, short
    return 1, _needed(columns, natural, 1, False) > available


def _whole(columns: Sequence[Column], natural: Mapping[str, int], gap: int, short: bool) -> int:
    """Room in which no cell is cut."""
    cells = sum(max(_least(c, natural, short), natural.get(c.key, 0)) for c in columns if c.frozen)
    return cells + gap * (sum(c.frozen for c in columns) - 1)


def _title(column: Column, short: bool) -> str:
    return column.short if short and column.short else column.title


def _least(column: Column, natural: Mapping[str, int], short: bool) -> int:
    if column.minimum is not None:
        return column.minimum
    return max(natural.get(column.key, 0), len(_title(column, short))) if column.width is None else column.width


def _needed(columns: Sequence[Column], natural: Mapping[str, int], gap: int, short: bool) -> int:
    return sum(_least(c, natural, short) for c in columns if c.frozen) + gap * (sum(c.frozen for c in columns) - 1)


def _cut(
    columns: Sequence[Column], natural: Mapping[str, int], available: int, gap: int, short: bool
) -> tuple[list[Column], bool]:
    """The columns that fit; the first scrollable one is always there, so that scrolling cannot lose everything."""
    used = _needed(columns, natural, gap, short)
    visible_columns: list[Column] = []
    cut = False
    for column in columns:
        if column.frozen:
            visible_columns.append(column)
            continue
        used += _least(column, natural, short) + gap
        if used <= available or not any(not c.frozen for c in visible_columns):
            visible_columns.append(column)
        else:
            cut = True
            break
    return visible_columns, cut


def _stretch(
    columns: Sequence[Column], natural: Mapping[str, int], available: int, gap: int, short: bool
) -> tuple[Placed, ...]:
    """Give the flexible columns what their cells need, and the rest of the room to the one that fills."""
    widths = {c.key: _least(c, natural, short) for c in columns}
    room = available - sum(widths.values()) - gap * (len(columns) - 1)
    flexible = [c for c in columns if c.minimum is not None]
    for column in flexible:
        wish = max(0, natural.get(column.key, 0) - widths[column.key])
        width = min(wish, max(0, room))
        widths[column.key] += width
        room -= width
    filling = next((c for c in reversed(columns) if c.fills), None)
    if filling is not None and room > 0:
        widths[filling.key] += room
    return tuple(Placed(c, _title(c, short), widths[c.key]) for c in columns)
