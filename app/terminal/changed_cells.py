"""Writes only the cells of the terminal that have changed, so that a screen costs little over SSH.

Textual redraws every widget that may have changed, whole lines of it. What the terminal shows is known, so the updates
are compared with it cell by cell.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

from app.terminal.clean_strips import cleaned

Look = tuple[frozenset[int], str | None, str]
"""Attributes (SGR numbers), foreground and background (SGR codes, empty for the terminal's own).

A foreground of None is that of a blank, which shows none: it takes what is set."""
Cell = tuple[str, int, Look]
"""A character (or several that only together have a width), which of its columns this is, and how it looks."""
Piece = tuple[int, int, list[Cell]]
"""Row, column, and the cells from there."""
_PLAIN: Look = (frozenset(), "", "")
_UNKNOWN: Cell = ("", 0, _PLAIN)
_OFF = {1: 22, 2: 22, 3: 23, 4: 24, 5: 25, 6: 25, 7: 27, 8: 28, 9: 29, 21: 24, 53: 55}
"""Attribute → what turns it off."""
_UNSEEN_ON_BLANKS = frozenset((1, 2, 3, 5, 6, 8))
"""Attributes that make no difference to a blank."""
_SHORT_GAP = 4
"""Unchanged cells that cost no more to write again than to jump over."""


class ReadySequence(CompositorUpdate):
    """An update that is rendered already."""

    def __init__(self, text: str) -> None:
        self.text = text

    def render_segments(self, console: Console) -> str:
        return self.text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self.text)


class TerminalCells:
    """What the terminal shows, cell by cell."""

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._rows: list[list[Cell]] = []

    def forget(self) -> None:
        """Take nothing for known: the terminal was resized, or another program has written to it."""
        self._size = Size(0, 0)

    def take(self, update: LayoutUpdate | ChopsUpdate, size: Size, color_system: ColorSystem) -> str:
        """Return the sequences that write what an update changes; empty if that is nothing."""
        if size != self._size:
            self._size = size
            self._rows = [[_UNKNOWN] * size.width for _ in range(size.height)]
        pen = _Pen()
        for y, x, cells in _pieces(update, color_system):
            if 0 <= y < size.height and 0 <= x < size.width:
                self._write(pen, y, x, cells[: size.width - x])
        return pen.finish()

    def _write(self, pen: "_Pen", y: int, x: int, cells: list[Cell]) -> None:
        row = self._rows[y]
        before = row[x : x + len(cells)]
        if before == cells:
            return
        for start, end in _changed_runs(before, cells):
            pen.write(y, x + start, cells[start:end])
        row[x : x + len(cells)] = cells
        # Where half of a wide character was overwritten, the terminal shows nothing in the other half.
        for at in range(x - 1, -1, -1):
            if before[0][1] <= x - 1 - at or cells[0] == before[0]:
                break
            row[at] = _UNKNOWN
        for at in range(x + len(cells), len(row)):
            if row[at][1] <= at - x - len(cells) or row[at][1] == 0:
                break
            row[at] = _UNKNOWN


class _Pen:
    """Writes runs of cells, with as few bytes for places and colours as it takes."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._at = (-1, -1)
        self._style = _PLAIN

    def write(self, y: int, x: int, cells: Sequence[Cell]) -> None:
        """Write cells from a place on."""
        if self._at != (y, x):
            row, column = self._at
            distance = x - column
            forwards = "\x1b[C" if distance == 1 else f"\x1b[{distance}C"
            self._parts.append(forwards if y == row and distance > 0 else f"\x1b[{y + 1};{x + 1}H")
        for text, column, style in cells:
            if column:
                continue
            if style != self._style:
                sequence, self._style = _change(self._style, style)
                self._parts.append(sequence)
            self._parts.append(text)
        self._at = (y, x + len(cells))

    def finish(self) -> str:
        """Return everything that was written; colours are the terminal's own after it."""
        if self._style != _PLAIN:
            self._parts.append("\x1b[0m")
            self._style = _PLAIN
        return "".join(self._parts)


def _pieces(update: LayoutUpdate | ChopsUpdate, color_system: ColorSystem) -> Iterator[Piece]:
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            yield y, update.region.x, [cell for strip in strips for cell in _cells(strip, color_system)]
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= last and end > first:
                yield y, x, _cells(strip if end <= last else strip.crop(0, last - x), color_system)


def _cells(strip: Strip, color_system: ColorSystem) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        codes = ""
        if style is not None:
            codes = style._ansi if style._ansi is not None else Strip.render_ansi(style, color_system)
        look, blank = _looks(codes)
        text = cleaned(text)
        if text.isascii():
            cells.extend([(character, 0, blank if character == " " else look) for character in text])
        else:
            cells.extend(_wide_cells(text, look, blank))
    return cells


def _wide_cells(text: str, look: Look, blank: Look) -> Iterable[Cell]:
    widths = [cell_len(character) for character in text]
    if 0 in widths:  # combined characters: how many columns they take together, terminals disagree
        return [(text, column, look) for column in range(cell_len(text))]
    return [
        (character, column, blank if character == " " else look)
        for character, width in zip(text, widths, strict=True)
        for column in range(width)
    ]


def _changed_runs(before: Sequence[Cell], now: Sequence[Cell]) -> list[tuple[int, int]]:
    """Return where cells differ, as pairs of start and end; characters of several columns are whole in a run."""
    runs: list[tuple[int, int]] = []
    for at, (one, other) in enumerate(zip(before, now, strict=True)):
        if one == other:
            continue
        start, end = at, at + 1
        while start > 0 and now[start][1]:
            start -= 1
        while end < len(now) and now[end][1]:
            end += 1
        if runs and start - runs[-1][1] <= _SHORT_GAP:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return runs


@lru_cache(maxsize=4096)
def _looks(codes: str) -> tuple[Look, Look]:
    """Return how characters with these SGR codes look, and how blanks do."""
    attributes: set[int] = set()
    foreground = background = ""
    rest = codes.split(";") if codes else []
    while rest:
        length = {"2": 5, "5": 3}.get(rest[1], 1) if rest[0] in ("38", "48") and len(rest) > 1 else 1
        part, number, rest = ";".join(rest[:length]), int(rest[0]), rest[length:]
        if 30 <= number <= 39 or 90 <= number <= 97:
            foreground = "" if number == 39 else part
        elif 40 <= number <= 49 or 100 <= number <= 107:
            background = "" if number == 49 else part
        else:
            attributes.add(number)
    look = (frozenset(attributes), foreground, background)
    shown = look[0] - _UNSEEN_ON_BLANKS
    return look, (look if shown else (shown, None, background))


@lru_cache(maxsize=4096)
def _change(before: Look, now: Look) -> tuple[str, Look]:
    """Return the shortest sequence that turns one look into another, and what is set then.

    ECMA-48, select graphic rendition.
    """
    attributes, foreground, background = now
    if foreground is None:
        attributes, foreground = attributes | (before[0] & _UNSEEN_ON_BLANKS), before[1]
    after = (attributes, foreground, background)
    off = {str(_OFF.get(number, 0)) for number in before[0] - attributes}
    kept = {number for number in before[0] & attributes if str(_OFF.get(number, 0)) not in off}
    codes = [*sorted(off), *map(str, sorted(attributes - kept))]
    codes += [foreground or "39"] if foreground != before[1] else []
    codes += [background or "49"] if background != before[2] else []
    anew = ["0", *map(str, sorted(attributes)), *(code for code in (foreground, background) if code)]
    if "0" in off or len(";".join(anew)) < len(";".join(codes)):
        codes = anew
    return (f"\x1b[{';'.join(codes)}m" if codes else ""), after
