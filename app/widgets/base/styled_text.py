"""Styled text as plain data: the contents of table cells and lines, without widgets.

A tone names a meaning (`good`, `muted`), never a colour; widgets look its colour up in the theme.
Markup and escape sequences are not interpreted: text from logs and names of runs is only shown.
"""

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from app.widgets.base.glyphs import glyphs
from engine.console.escapes import without_escapes

Span = tuple[str, str]
"""Text and its tone."""

Cell = str | tuple[Span, ...]
"""A whole cell or line; a bare string has the default tone."""

TONES: dict[str, str] = {
    "": "",
    "strong": "bold",
    "muted": "$foreground-muted",
    "faint": "$foreground-disabled",
    "accent": "$text-primary",
    "title": "$text-primary bold",
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "$text-error",
    "best": "$text-success bold",
    "series0": "$text-primary",
    "series1": "$text-warning",
    "series2": "$text-success",
    "series3": "$text-accent",
    "series4": "$text-error",
    "series5": "$text-secondary",
}
"""Tone → style, for `Content` and for the component classes of line-drawing widgets."""


_ASCII_FOR = str.maketrans({"–": "-", "−": "-", "×": "x", "·": "|", "→": ">", "…": "~", "≠": "!", "“": '"', "”": '"'})


def clean(text: str) -> str:
    """Return `text` in one line, with terminal control sequences removed.

    For an ASCII terminal, other characters are replaced.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in without_escapes(text, keep_line_ends=True))
    if glyphs().is_ascii and not text.isascii():
        text = text.translate(_ASCII_FOR).encode("ascii", "replace").decode("ascii")
    return text


def spans(cell: Cell) -> tuple[Span, ...]:
    """Return a cell as spans."""
    return ((cell, ""),) if isinstance(cell, str) else cell


def plain(cell: Cell) -> str:
    """Return the text of a cell without tones."""
    return cell if isinstance(cell, str) else "".join(text for text, _ in cell)


def width(cell: Cell) -> int:
    """Return the width of a cell in terminal columns."""
    return cell_len(plain(cell))


def fit(cell: Cell, columns: int, justify: str = "left") -> tuple[Span, ...]:
    """Pad a cell to exactly `columns` columns, or cut it with an ellipsis."""
    parts = spans(cell)
    space = columns - width(cell)
    if space >= 0:
        pad = ((" " * space, ""),) if space else ()
        return (*pad, *parts) if justify == "right" else (*parts, *pad)
    if columns <= 0:
        return ()
    visible_spans: list[Span] = []
    left = columns - 1
    for text, tone in parts:
        size = cell_len(text)
        if size <= left:
            visible_spans.append((text, tone))
            left -= size
            continue
        visible_spans.append((set_cell_size(text, left) + glyphs().ellipsis, tone))
        break
    return tuple(visible_spans)


def join(cells: list[Cell], separator: str = "  ") -> tuple[Span, ...]:
    """Concatenate the cells that are not empty."""
    joined: list[Span] = []
    for cell in cells:
        if not plain(cell):
            continue
        if joined:
            joined.append((separator, ""))
        joined.extend(spans(cell))
    return tuple(joined)


def content(cell: Cell) -> Content:
    """Return a cell as Textual content."""
    return Content.assemble(*((text, TONES.get(tone, "")) for text, tone in spans(cell)))
