"""Cells as strips: the one place where a tone becomes a colour of the theme."""

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip
from textual.style import Style

from app.widgets.base.styled_text import TONES, Cell, fit


def tone_style(base: Style, tone: str) -> RichStyle:
    """The theme's style for a tone on top of a widget's own style. Needs a running app."""
    named = TONES.get(tone, "")
    return (base + Style.parse(named)).rich_style if named else base.rich_style


def strip(cell: Cell, columns: int, base: Style) -> Strip:
    """A cell as a strip of exactly `columns` columns."""
    return Strip([Segment(text, tone_style(base, tone)) for text, tone in fit(cell, columns) if text], columns)
