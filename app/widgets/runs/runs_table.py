"""The runs of the workspace, pipelines together."""

from collections.abc import Mapping

from textual.reactive import reactive

from app.runs.query.filter import Filter
from app.runs.query.order import Order
from app.widgets.base import surroundings
from app.widgets.base.grid import Grid
from app.widgets.base.state import look
from app.widgets.base.styled_text import Cell
from app.widgets.runs.run_rows import NARROW, WIDE, Entry, arrange, cells, natural_widths, sorted_columns
from db.views import RunView


class RunsTable(Grid):
    """Shows runs, one per row, under the heads of their pipelines."""

    runs: reactive[tuple[RunView, ...]] = reactive((), repaint=False)
    """All runs of the workspace."""
    filter: reactive[Filter | None] = reactive(None, repaint=False)
    """The filter; None lists all runs."""
    order: reactive[Order | None] = reactive(None, repaint=False)
    """What the runs are sorted by; None keeps pipelines together, newest first."""
    marked: reactive[frozenset[str]] = reactive(frozenset(), repaint=False)
    """Ids of the marked runs."""
    folded: reactive[frozenset[str]] = reactive(frozenset(), repaint=False)
    """Groups whose runs are folded away."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(NARROW, id=id)
        self._entries: Mapping[str, Entry] = {}

    def on_mount(self) -> None:
        """Refresh the ages; only cells that read differently are written."""
        self.set_interval(15, self._sync)

    def on_resize(self) -> None:
        """Choose the columns again: wide terminals have more."""
        self._choose_columns()
        self._arrange()

    def _choose_columns(self) -> None:
        self.set_columns(sorted_columns(WIDE if self.size.width >= 110 else NARROW, self.order))

    def watch_runs(self) -> None:
        """Show what changed."""
        run_ids = {run.id for run in self.runs}
        self.set_reactive(RunsTable.marked, self.marked & run_ids)
        self._arrange()

    def watch_filter(self) -> None:
        """Show what matches."""
        self._arrange()

    def watch_order(self) -> None:
        """Show the runs in another order; the cursor stays on its run."""
        self._choose_columns()
        self._arrange()

    def watch_marked(self) -> None:
        """Show the marks."""
        self._arrange()

    def watch_folded(self) -> None:
        """Show what is unfolded."""
        self._arrange()

    @property
    def entry(self) -> Entry | None:
        """What the cursor is on."""
        return self._entries.get(self.key) if self.key else None

    @property
    def at_hand(self) -> RunView | None:
        """The run under the cursor; for the head of a pipeline the step at work, else the last one that was."""
        entry = self.entry
        if entry is None or entry.run is not None:
            return entry.run if entry else None
        begun = [run for run in entry.members if look(run).mark not in ("waits", "blocked")]
        live = [run for run in begun if run.state.is_live]
        return (live or begun[-1:] or list(entry.members))[0]

    def _arrange(self) -> None:
        entries = arrange(self.runs, self.filter.matches if self.filter else None, self.folded, self.order)
        self._entries = {entry.key: entry for entry in entries}
        self.set_rows(list(self._entries), self._cells, natural_widths(entries, self.size.width >= 110))
        self.set_class(not entries, "-empty")

    def _cells(self, key: str) -> list[Cell]:
        trend = next((placed.width for placed in self.placement.columns if placed.column.key == "trend"), 0)
        return cells(self._entries[key], self._columns, self.marked, surroundings.now(), trend)

    def mark(self) -> None:
        """Mark or unmark what the cursor is on, and go to the next row."""
        entry = self.entry
        if entry is None:
            return
        ids = {entry.run.id} if entry.run else {run.id for run in entry.members}
        self.marked = self.marked - ids if ids <= self.marked else self.marked | ids
        self.cursor += 1

    def fold(self) -> None:
        """Fold or unfold the pipeline that the cursor is in."""
        entry = self.entry
        if entry is None:
            return
        group = entry.key.removeprefix("group:") if entry.run is None else entry.run.group
        if group is None:
            return
        self.folded = self.folded ^ {group}
        self.move_to(f"group:{group}")
