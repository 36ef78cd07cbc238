"""A table of runs with a last column of the reasons of their states, where the terminal has room for it."""

from collections.abc import Sequence

from app.cli.output import columns, fit, table, table_width, width

_GAP = 2
_MIN_CELLS = 12


def table_with_reasons(
    headers: Sequence[str], rows: Sequence[Sequence[str]], reasons: Sequence[str], *, right: Sequence[int]
) -> str:
    """Format a table whose last column, the reasons, fills the remaining width; omit that column below 12 cells.

    Args:
        reasons: one per row; empty for none.
        right: indices of the right-aligned columns.
    """
    room = columns() - table_width([headers, *rows]) - _GAP
    if room < _MIN_CELLS or not any(reasons):
        return table(headers, rows, right=right)
    all_rows = [[*row, fit(reason, min(room, width(reason)))] for row, reason in zip(rows, reasons, strict=True)]
    return table((*headers, "REASON"), all_rows, right=right)
