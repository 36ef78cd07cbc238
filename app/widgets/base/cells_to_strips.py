"""Conversion of cells to Textual strips: the only place where tones become colours of the theme."""

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip
from textual.style import Style

from app.widgets.base.styled_text import TONES, Cell, fit


def tone_style(base: Style, tone: str) -> RichStyle:
    """Return the theme's style of a tone, on top of a widget's base style. Needs a running app."""
    named = TONES.get(tone, "")
    return (base + Style.parse(named)).rich_style if named else base.rich_style


def strip(cell: Cell, columns: int, base: Style) -> Strip:
    """Return a cell as a strip of exactly `columns` columns."""
    return Strip([Segment(text, tone_style(base, tone)) for text, tone in fit(cell, columns) if text], columns)
