"""Curves as text: braille dots, two by four to a cell, or ASCII where those cannot be shown. No widget."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.widgets.base.styled_text import Span

Point = tuple[float, float]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Braille dot bits by row and column inside a cell."""


@dataclass(frozen=True)
class Bounds:
    """The window of the data that a canvas shows."""

    x0: float
    x1: float
    y0: float
    y1: float


class Canvas:
    """A grid of cells that curves are drawn into. A later curve takes the colour of the cells that it crosses."""

    def __init__(self, columns: int, rows: int, bounds: Bounds, *, ascii_only: bool = False) -> None:
        self.columns, self.rows = columns, rows
        self._across, self._down = (1, 2) if ascii_only else (2, 4)
        self._ascii = ascii_only
        self._bounds = bounds
        self._bits = [[0] * columns for _ in range(rows)]
        self._tones = [[""] * columns for _ in range(rows)]

    def curve(self, points: Sequence[Point], tone: str) -> None:
        """Draw a line through the points, in order of x; those that are not finite leave a gap.

        However many points fall into one column of dots, their lowest and highest are drawn, so that no spike is lost.
        """
        last: tuple[int, int] | None = None
        for x, group in self._by_column(points):
            low, high = min(group), max(group)
            self._vertical(x, low, high, tone)
            if last is not None:
                self._connect(last, (x, group[0]), tone)
            last = (x, group[-1])

    def level(self, y: float, tone: str) -> None:
        """Draw a dotted horizontal line."""
        row = self._y(y)
        for x in range(0, self.columns * self._across, 4 if not self._ascii else 2):
            self._dot(x, row, tone, over=False)

    def lines(self) -> list[list[Span]]:
        """Return the rows, top to bottom, as spans."""
        return [self._row(bits, tones) for bits, tones in zip(self._bits, self._tones, strict=True)]

    def _by_column(self, points: Sequence[Point]) -> list[tuple[int, list[int]]]:
        """Return rows of dots by column of dots. Written flat: it sees every point of every curve."""
        bounds, across, down = self._bounds, self.columns * self._across - 1, self.rows * self._down - 1
        across_scale = across / (bounds.x1 - bounds.x0) if bounds.x1 > bounds.x0 else 0.0
        down_scale = down / (bounds.y1 - bounds.y0) if bounds.y1 > bounds.y0 else 0.0
        x0, y0 = bounds.x0, bounds.y0
        columns: list[tuple[int, list[int]]] = []
        last, group = -1, [0]
        for px, py in points:
            if px - px or py - py:  # nan and inf differ from themselves
                continue
            x = int((px - x0) * across_scale + 0.5)
            y = down - int((py - y0) * down_scale + 0.5)
            if x == last:
                group.append(y)
            else:
                last, group = x, [y]
                columns.append((x, group))
        return columns

    def _y(self, value: float) -> int:
        down, low, high = self.rows * self._down - 1, self._bounds.y0, self._bounds.y1
        return down - (int((value - low) / (high - low) * down + 0.5) if high > low else 0)

    def _connect(self, start: tuple[int, int], end: tuple[int, int], tone: str) -> None:
        (x0, y0), (x1, y1) = start, end
        before = y0
        for x in range(x0 + 1, x1 + 1):
            y = round(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
            step = 0 if y == before else (1 if y > before else -1)
            self._vertical(x, min(before + step, y), max(before + step, y), tone)
            before = y

    def _vertical(self, x: int, low: int, high: int, tone: str) -> None:
        for y in range(low, high + 1):
            self._dot(x, y, tone)

    def _dot(self, x: int, y: int, tone: str, over: bool = True) -> None:
        column, row = x // self._across, y // self._down
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            return
        bit = 1 << (y % self._down) if self._ascii else _DOTS[y % 4][x % 2]
        if not over and self._bits[row][column]:
            return
        self._bits[row][column] |= bit
        self._tones[row][column] = tone

    def _row(self, bits: list[int], tones: list[str]) -> list[Span]:
        row: list[Span] = []
        for bit, tone in zip(bits, tones, strict=True):
            sign = " " if not bit else " '.:"[bit] if self._ascii else chr(0x2800 + bit)
            tone = tone if bit else (row[-1][1] if row else "")
            if row and row[-1][1] == tone:
                row[-1] = (row[-1][0] + sign, tone)
            else:
                row.append((sign, tone))
        return row
