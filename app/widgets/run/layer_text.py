"""The layers of a run as lines: ranges of a calibration, or how much each suffers, with a bar for the number."""

from app.comparing.layers import LayerTable
from app.widgets.base.styled_text import Cell, Span, clean, fit, width
from app.widgets.charts.bars import bar

_BAR = 12
_WIDEST_NAME = 30


def layer_lines(table: LayerTable | None) -> list[Cell]:
    """Return notes, titles, and a line per layer; a sentence if the run has no layers."""
    if table is None:
        return [(("This run tells of no layers: `ptq` and `sensitivity` do.", "muted"),)]
    columns = [[clean(cell) for cell in column] for column in zip(table.headers, *table.rows, strict=True)]
    widths = [max(map(width, column)) for column in columns]
    widths[0] = min(widths[0], _WIDEST_NAME)
    lines: list[Cell] = [((clean(note), "muted"),) for note in table.notes]
    lines += ["", _line(columns, widths, 0, ((" " * _BAR, ""),))]
    for at, share in enumerate(table.shares, start=1):
        lines.append(_line(columns, widths, at, bar(share, _BAR)))
    return lines


def _line(columns: list[list[str]], widths: list[int], at: int, shown: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return layer, its number, the bar, and the rest; numbers are aligned right, the pane cuts the last column."""
    is_title = at == 0
    tones = ("title",) * len(columns) if is_title else ("", "strong", *("muted",) * (len(columns) - 2))
    line: list[Span] = [*fit(((columns[0][at], tones[0]),), widths[0]), ("  ", "")]
    line += [*fit(((columns[1][at], tones[1]),), widths[1], "right"), ("  ", ""), *shown]
    for column in range(2, len(columns)):
        last = column == len(columns) - 1
        cell: Cell = ((columns[column][at], tones[column]),)
        line += [("  ", ""), *(cell if last else fit(cell, widths[column], "right"))]
    return tuple(line)
