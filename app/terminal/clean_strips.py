"""The last place that every text passes on its way from a widget to the terminal: what commands it is left out there.

A name, a reason or a path of a workspace that somebody sent may hold escape sequences; widgets show them in many ways.
"""

from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

_OTHERS = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Line and paragraph separators, and what turns the direction of writing."""
_LEFT_OUT = dict.fromkeys((*range(32), *range(0x7F, 0xA0), *_OTHERS))
"""Without a width of their own, so that leaving them out moves nothing on the line."""


def clean_strips() -> None:
    """Let Textual write no control character of a text. Call it before the first screen; again does nothing."""
    if getattr(Strip.render_style, "is_clean", False):
        return

    def render_style(cls: type[Strip], style: Style, text: str, color_system: ColorSystem) -> str:
        return _original(style, cleaned(text), color_system)

    render_style.is_clean = True  # type: ignore[attr-defined]
    Strip.render_style = classmethod(render_style)  # type: ignore[method-assign,assignment]


def cleaned(text: str) -> str:
    """Return a text of a strip without what commands a terminal."""
    return text if text.isprintable() else text.translate(_LEFT_OUT)


_original = Strip.render_style
