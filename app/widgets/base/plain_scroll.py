"""Scroll bars drawn with blanks, for terminals without Textual's block characters."""

from math import ceil

from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style
from textual.scrollbar import ScrollBarRender

_TRACK, _THUMB = Color.parse("black"), Color.parse("white")


class PlainScrollBar(ScrollBarRender):
    """A thumb of whole cells in reverse video."""

    @classmethod
    def render_bar(
        cls,
        size: int = 25,
        virtual_size: float = 50,
        window_size: float = 20,
        position: float = 0,
        thickness: int = 1,
        vertical: bool = True,
        back_color: Color = _TRACK,
        bar_color: Color = _THUMB,
    ) -> Segments:
        """Render the bar as Textual does, in whole cells."""
        top, length = size, 0
        if window_size and size and virtual_size and size != virtual_size:
            length = max(1, ceil(size * window_size / virtual_size))
            top = round((size - length) * position / max(1.0, virtual_size - window_size))
        track = Style(bgcolor=back_color)
        thumb = Style(color=bar_color, bgcolor=back_color, reverse=True)
        blank = " " * thickness if vertical else " "
        up, down = {"@mouse.down": "scroll_up"}, {"@mouse.down": "scroll_down"}
        cells = []
        for i in range(size):
            inside = top <= i < top + length
            meta = {} if inside else up if i < top else down
            cells.append(Segment(blank, (thumb if inside else track) + Style.from_meta(meta)))
        if not vertical:
            return Segments(cells * thickness, new_lines=False)
        return Segments(cells, new_lines=True)
