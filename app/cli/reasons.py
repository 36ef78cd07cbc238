"""A table of runs with the reasons of their states, where the terminal has room for them."""

from collections.abc import Sequence

from app.cli.output import columns, fit, table, table_width, width

_GAP = 2
_LEAST = 12


def table_with_reasons(
    headers: Sequence[str], rows: Sequence[Sequence[str]], reasons: Sequence[str], *, right: Sequence[int]
) -> str:
    """The table, with a last column of reasons as wide as the room that is left; without it where that is little.

    Args:
        reasons: one per row; empty for none.
        right: indices of the columns that stand at the right.
    """
    room = columns() - table_width([headers, *rows]) - _GAP
    if room < _LEAST or not any(reasons):
        return table(headers, rows, right=right)
    cut = [[*row, fit(reason, min(room, width(reason)))] for row, reason in zip(rows, reasons, strict=True)]
    return table((*headers, "REASON"), cut, right=right)
