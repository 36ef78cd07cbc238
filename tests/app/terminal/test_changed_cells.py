"""What is written for changes looks on a terminal as the whole screen does, with fewer bytes."""

import random
from itertools import accumulate

import pyte
import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from app.terminal.changed_cells import ReadySequence, TerminalCells

COLUMNS, ROWS = 30, 6
TRUECOLOR = ColorSystem.TRUECOLOR
STYLES = [
    Style(),
    Style(color="#a7c1e3", bgcolor="#14171c"),
    Style(color="#c9ced6", bgcolor="#14171c"),
    Style(color="#c9ced6", bgcolor="#303d50", bold=True),
    Style(bold=True),
    Style(color="red"),
    Style(bgcolor="bright_blue"),
    Style(color="color(200)", underline=True),
    Style(reverse=True),
    Style(color="#a7c1e3", strike=True, italic=True),
]
CHARACTERS = ["a", "b", "c", " ", " ", " ", "━", "⠒", "▸", "─", "漢", "図", "é"]
"""Some of two columns."""


class Picture:
    """Strips of a screen, changed at random."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.rows = [self._segments(COLUMNS) for _ in range(ROWS)]

    def _segments(self, columns: int) -> list[Segment]:
        segments, left = [], columns
        while left:
            text, style = "", self._draw.choice(STYLES)
            for _ in range(self._draw.randint(1, 9)):
                character = self._draw.choice(CHARACTERS)
                width = 2 if character in "漢図" else 1
                if width <= left:
                    text, left = text + character, left - width
            if text:
                segments.append(Segment(text, style))
        return segments

    def change(self) -> ChopsUpdate:
        """Change a region; return the update that Textual would make of it, of whole pieces between cuts."""
        first, last = sorted(self._draw.sample(range(ROWS + 1), 2))
        cut = self._draw.randint(1, COLUMNS - 1)
        spans, chops, ends = [], [{} for _ in range(ROWS)], [[] for _ in range(ROWS)]
        for y in range(first, last):
            is_split = cut not in _ends(self.rows[y])  # Textual puts blanks in the place of both halves
            left, right = Strip(self.rows[y]).divide([cut, COLUMNS])
            if self._draw.random() < 0.6:
                right = Strip(self._segments(COLUMNS - cut))
            self.rows[y] = [*left, *right]
            chops[y], ends[y] = {0: left, cut: right}, [cut, COLUMNS]
            spans.append((y, cut, COLUMNS) if self._draw.random() < 0.5 and not is_split else (y, 0, COLUMNS))
        return ChopsUpdate(chops, spans, ends)

    def whole(self) -> LayoutUpdate:
        """The update that writes everything."""
        return LayoutUpdate([[Strip(row)] for row in self.rows], Region(0, 0, COLUMNS, ROWS))


def _ends(segments: list[Segment]) -> set[int]:
    """The columns at which the characters of a row end."""
    return set(accumulate(2 if character in "漢図" else 1 for text, *_ in segments for character in text))


class Emulator:
    """A terminal, and what it shows."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.Stream(self.screen)

    def feed(self, text: str) -> None:
        self._stream.feed(text)

    def cells(self) -> list[list[tuple[object, ...]]]:
        return [[_seen(self.screen.buffer[y][x]) for x in range(COLUMNS)] for y in range(ROWS)]


def _seen(cell: "pyte.screens.Char") -> tuple[object, ...]:
    """What an eye sees of a cell: a blank has no colour of its own, unless it is drawn in reverse or with a line."""
    if cell.data == " " and not (cell.reverse or cell.underscore or cell.strikethrough):
        return " ", cell.bg
    return tuple(cell)


def shown_whole(picture: Picture) -> list[list[tuple[object, ...]]]:
    emulator = Emulator()
    emulator.feed(picture.whole().render_segments(Console(color_system="truecolor", force_terminal=True)))
    return emulator.cells()


@pytest.mark.parametrize("seed", range(20))
def test_changes_look_as_the_whole_does(seed: int) -> None:
    draw = random.Random(seed)
    picture, cells, emulator = Picture(draw), TerminalCells(), Emulator()
    emulator.feed(cells.take(picture.whole(), Size(COLUMNS, ROWS), TRUECOLOR))
    assert emulator.cells() == shown_whole(picture)
    for _ in range(30):
        emulator.feed(cells.take(picture.change(), Size(COLUMNS, ROWS), TRUECOLOR))
        assert emulator.cells() == shown_whole(picture)
        assert cells.take(picture.whole(), Size(COLUMNS, ROWS), TRUECOLOR) == "", "nothing is left to write"


def write(cells: TerminalCells, *segments: Segment) -> str:
    return cells.take(LayoutUpdate([[Strip(segments)]], Region(0, 0, 10, 1)), Size(10, 1), TRUECOLOR)


def test_only_what_differs_is_written() -> None:
    cells, grey = TerminalCells(), Style(color="#808080", bgcolor="#000000")
    assert write(cells, Segment("0123456789", grey)) == "\x1b[1;1H\x1b[38;2;128;128;128;48;2;0;0;0m0123456789\x1b[0m"
    assert write(cells, Segment("0123456789", grey)) == ""
    assert write(cells, Segment("01234x6789", grey)) == "\x1b[1;6H\x1b[38;2;128;128;128;48;2;0;0;0mx\x1b[0m"
    assert write(cells, Segment("a1234x678b", grey)).count("\x1b[8C") == 1, "what lies between is jumped over"


def test_a_colour_that_stays_is_not_written_again() -> None:
    one, other = Style(color="#ff0000", bgcolor="#000000"), Style(color="#00ff00", bgcolor="#000000", bold=True)
    text = write(TerminalCells(), Segment("01234", one), Segment("  56", other), Segment("7", one))
    assert text == ("\x1b[1;1H\x1b[38;2;255;0;0;48;2;0;0;0m01234  \x1b[1;38;2;0;255;0m56\x1b[22;38;2;255;0;0m7\x1b[0m")


def test_after_forgetting_everything_is_written() -> None:
    cells = TerminalCells()
    first = write(cells, Segment("0123456789"))
    assert write(cells, Segment("0123456789")) == ""
    cells.forget()
    assert write(cells, Segment("0123456789")) == first


def test_half_of_a_wide_character_that_was_covered_is_written_again() -> None:
    cells = TerminalCells()
    write(cells, Segment("漢字"), Segment("123456"))
    chops = [{0: None, 1: Strip([Segment("x")]), 2: None}]
    cells.take(ChopsUpdate(chops, [(0, 1, 2)], [[1, 2, 10]]), Size(10, 1), TRUECOLOR)
    assert "漢" in write(cells, Segment("漢字"), Segment("123456"))


def test_characters_that_combine_are_written_as_one() -> None:
    cells = TerminalCells()
    write(cells, Segment("ae\N{COMBINING ACUTE ACCENT}i3456789"))
    assert "ae\N{COMBINING ACUTE ACCENT}o3456789" in write(cells, Segment("ae\N{COMBINING ACUTE ACCENT}o3456789"))


def test_an_escape_sequence_in_a_text_is_not_written() -> None:
    text = write(TerminalCells(), Segment("a\x1b]0;x\x07b\x9b1mc"))
    assert "\x1b]" not in text
    assert "\x9b" not in text


def test_a_ready_sequence_is_written_as_it_is() -> None:
    assert ReadySequence("\x1b[1;1Hx").render_segments(Console()) == "\x1b[1;1Hx"
