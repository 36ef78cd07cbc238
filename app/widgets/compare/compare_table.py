"""Runs as columns; metrics, facts and options as rows."""

from collections.abc import Sequence

from app.comparing.comparison import ORIGIN, Comparison, Row
from app.comparing.comparison import Cell as Value
from app.widgets.base.columns import Column
from app.widgets.base.glyphs import glyphs
from app.widgets.base.grid import Grid
from app.widgets.base.styled_text import Cell, clean, fit, width
from app.widgets.compare.lineage_table import difference

WIDEST = 24
"""Values are cut to this width, so that two runs and the row names fit into 80 columns."""
TITLE = "title:"
"""Prefix of the keys of section headings."""


def names(comparison: Comparison) -> list[str]:
    """Return the column titles: the steps if all runs belong to one pipeline, else the names of the runs."""
    runs = comparison.runs
    steps = [run.step for run in runs]
    if len({run.group for run in runs}) == 1 and runs[0].group and all(steps) and len(set(steps)) == len(steps):
        return [clean(step or "") for step in steps]
    return [clean(run.name) for run in runs]


def table_rows(comparison: Comparison, differing: bool) -> dict[str, list[Cell]]:
    """Return all rows by key, with a heading before each section."""
    table: dict[str, list[Cell]] = {}
    blanks: list[Cell] = ["" for _ in comparison.runs]
    for row in (*comparison.metrics, *comparison.facts, *comparison.options):
        if differing and not row.differs and row.key != ORIGIN:
            continue
        if f"{TITLE}{row.section}" not in table:
            table[f"{TITLE}{row.section}"] = [((row.section, "title"),), *blanks]
        table[f"{row.section}:{row.key}"] = _cells(row, comparison)
    return table


def _cells(row: Row, comparison: Comparison) -> list[Cell]:
    base = next(i for i, run in enumerate(comparison.runs) if run.id == comparison.baseline)
    is_metric = row in comparison.metrics
    has_best = len({cell.value for cell in row.cells if cell.value is not None}) > 1
    deltas = max((len(cell.difference_text) for cell in row.cells), default=0)
    cells: list[Cell] = [f"  {clean(row.key)}"]
    for index, cell in enumerate(row.cells):
        if is_metric:
            cells.append(_metric(cell, deltas, has_best))
        else:
            other = index != base and cell.compared_text != row.cells[base].compared_text
            cells.append(((clean(cell.text), "accent" if other else "muted" if not row.differs else ""),))
    return cells


def _metric(cell: Value, deltas: int, has_best: bool) -> Cell:
    """Return the best mark, the value, and the difference from the baseline, aligned across rows."""
    is_best = cell.is_best and has_best
    best_sign = f"{glyphs().best} " if is_best else ""
    value: Cell = ((best_sign, "best"), (clean(cell.text), "best" if is_best else "" if cell.comparable else "muted"))
    if not deltas:
        return value
    return (*value, *fit(difference(clean(cell.difference_text), cell.delta), max(deltas, 6) + 1, "right"))


class CompareTable(Grid):
    """Scrolls sideways to the runs that do not fit; the row names stay in view."""

    def show(self, comparison: Comparison, differing: bool) -> None:
        """Show a comparison."""
        rows = table_rows(comparison, differing)
        titles = names(comparison)
        columns = [Column("row", "", width=_widest([row[0] for row in rows.values()]))]
        for index, (run, title) in enumerate(zip(comparison.runs, titles, strict=True)):
            head = f"{glyphs().marked} {title}" if run.id == comparison.baseline else title
            wide = _widest([head, *(row[index + 1] for row in rows.values())])
            columns.append(Column(f"run{index}", head, width=wide, justify="right", frozen=False))
        self.set_columns(columns)
        self.empty = (("All rows are the same; d shows them.", "muted"),)
        self.set_rows(list(rows), rows.__getitem__)


def _widest(cells: Sequence[Cell]) -> int:
    return min(WIDEST, max((width(cell) for cell in cells), default=0))
