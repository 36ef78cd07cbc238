"""The first screen: the table of all runs and a summary of the run under the cursor."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widgets import Input
from textual.worker import get_current_worker

from app.keymap import bindings
from app.messages import CallFailed, DetailRead
from app.runs.query.fields import find_field
from app.runs.query.filter import FilterError, parse_filter, text_before
from app.runs.query.order import Order
from app.screens import actions
from app.screens.base_screen import BaseScreen
from app.screens.dialogs.annotations import edit_annotations
from app.screens.dialogs.stop import ask_to_stop
from app.screens.run import milestones
from app.screens.unexpected import unexpected
from app.widgets.base.grid import Grid
from app.widgets.base.styled_text import clean
from app.widgets.runs.filter_bar import FilterBar
from app.widgets.runs.run_rows import SORT_FIELDS
from app.widgets.runs.run_summary import RunSummary
from app.widgets.runs.runs_table import RunsTable
from app.widgets.runs.welcome import Welcome
from db.views import RunDetail, RunView
from engine.contracts.errors import YoloqatError

SMALLEST_FIRST = ("age", "eta")
SORT_CYCLE = ("map", "name", "state", "stage", "epochs", "age", "duration")
"""Fields in the order in which the key goes through them."""
REST_SECONDS = 0.15
"""How long the cursor rests on a run before its summary is shown: passing rows cost only their own repaint."""


class RunsScreen(BaseScreen):
    """The runs table and a summary of the run under the cursor."""

    SCOPE = "runs"
    BINDINGS: ClassVar = bindings("runs")
    AUTO_FOCUS = "RunsTable"

    def __init__(self) -> None:
        super().__init__()
        self._detail: RunDetail | None = None
        self._last_drawn: tuple[object, ...] = ()
        self._rest: Timer | None = None
        """Runs while the cursor has not rested long enough on its row."""

    def body(self) -> ComposeResult:
        yield FilterBar()
        yield RunsTable(id="runs")
        yield Welcome()
        yield RunSummary()

    def on_mount(self) -> None:
        """Show the app's runs, now and whenever they change."""
        self.watch(self.app, "runs", self._runs_changed)
        for name in ("is_read", "failure"):
            self.watch(self.app, name, lambda: self._runs_changed(self.yoloqat.runs))

    def on_screen_resume(self) -> None:
        """Show the changes that happened while another screen was on top."""
        super().on_screen_resume()
        self._runs_changed(self.yoloqat.runs)

    @property
    def run_at_hand(self) -> RunView | None:
        """The run under the cursor."""
        return self.query_one(RunsTable).at_hand

    def _runs_changed(self, runs: tuple[RunView, ...]) -> None:
        if not self.is_on_top:
            return
        table = self.query_one(RunsTable)
        table.empty = ((self._empty_text(), "muted"),)
        table.runs = runs
        self.set_class(self.yoloqat.is_read and not runs, "-no-runs")
        self.query_one(Welcome).show(self.yoloqat.is_read, self.yoloqat.workspace)
        if self._rest is None:
            self._show_summary()

    def _empty_text(self) -> str:
        """Return why the table is empty."""
        if self.yoloqat.is_read:
            return "No run matches the filter."
        return clean(self.yoloqat.failure.partition("\n")[0]) or "Reading the runs"

    def _show_summary(self) -> None:
        if self._rest is not None:
            self._rest.stop()
            self._rest = None
        run = self.run_at_hand
        self.query_one(RunSummary).show(run, self._detail)
        drawn = (run.id, *milestones(run)) if run is not None else ()
        if drawn != self._last_drawn and run is not None:
            self._last_drawn = drawn
            self._read_detail(run.id)

    @work(thread=True, exclusive=True, group="summary", exit_on_error=False)
    def _read_detail(self, run_id: str) -> None:
        worker = get_current_worker()
        try:
            detail = self.yoloqat.backend.detail(run_id)
        except YoloqatError:
            return  # deleted meanwhile, or not indexed yet: the row in the table is enough
        except Exception as error:
            self.post_message(CallFailed(unexpected(error)))
            return
        if not worker.is_cancelled:
            self.post_message(DetailRead(detail))

    @on(DetailRead)
    def _show_detail(self, message: DetailRead) -> None:
        self._detail = message.detail
        self.query_one(RunSummary).show(self.run_at_hand, self._detail)

    @on(Grid.Highlighted)
    def _cursor_moved(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_SECONDS, self._show_summary)

    @on(Grid.Selected)
    def _open(self, event: Grid.Selected) -> None:
        entry = self.query_one(RunsTable).entry
        if entry is not None and entry.run is None:
            self.query_one(RunsTable).fold()
        elif entry is not None and entry.run is not None:
            self.yoloqat.guide.open_run(entry.run.id)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        """Apply a filter while it is typed: all of it, or what stands before a term that is not understood (yet)."""
        problem = ""
        try:
            parsed = parse_filter(event.value, self.yoloqat.backend)
        except FilterError as error:
            problem = error.what
            parsed = parse_filter(text_before(error, event.value), self.yoloqat.backend)
        self.query_one(FilterBar).problem = problem
        self.query_one(RunsTable).filter = None if parsed.is_empty else parsed

    @on(FilterBar.Closed)
    def _filtered(self) -> None:
        self.query_one(RunsTable).focus()

    def action_new(self) -> None:
        """Launch a pipeline."""
        self.yoloqat.guide.new()

    def action_mark(self) -> None:
        """Mark or unmark the row under the cursor."""
        self.query_one(RunsTable).mark()

    def action_compare(self) -> None:
        """Compare the marked runs; without marks, the pipeline of the run under the cursor."""
        table = self.query_one(RunsTable)
        run = table.at_hand
        if table.marked:
            self.yoloqat.guide.compare([run.id for run in self._in_table_order() if run.id in table.marked])
        elif run is not None and run.group is not None:
            self.yoloqat.guide.compare_group(run.group)
        else:
            self.yoloqat.guide.compare(())

    def _in_table_order(self) -> list[RunView]:
        by_id = {run.id: run for run in self.yoloqat.runs}
        listed = [by_id[key] for key in self.query_one(RunsTable).keys if key in by_id]
        return listed + [run for run in self.yoloqat.runs if run not in listed]

    def action_stop(self) -> None:
        """Ask for confirmation, and stop the run under the cursor."""
        run = self.run_at_hand
        if run is not None:
            ask_to_stop(self.yoloqat, run)

    def action_resume(self) -> None:
        """Start the next attempt of the run."""
        run = self.run_at_hand
        if run is not None:
            actions.resume(self.yoloqat, run)

    def action_edit(self) -> None:
        """Edit name, tags and note of the run under the cursor."""
        run = self.run_at_hand
        if run is not None:
            edit_annotations(self.yoloqat, run)

    def action_archive(self) -> None:
        """Archive or unarchive the run under the cursor."""
        run = self.run_at_hand
        if run is not None:
            actions.archive(self.yoloqat, run)

    def action_archived(self) -> None:
        """Show or hide archived runs."""
        self.yoloqat.show_archived = not self.yoloqat.show_archived
        self.notify("Archived runs are shown." if self.yoloqat.show_archived else "Archived runs are hidden.")
        self.yoloqat.read_soon()

    def action_delete(self) -> None:
        """Move the run under the cursor into the trash."""
        run = self.run_at_hand
        if run is not None:
            actions.delete(self.yoloqat, run)

    def action_undelete(self) -> None:
        """Restore the run that was deleted last."""
        actions.undelete(self.yoloqat)

    def action_filter(self) -> None:
        """Open the filter."""
        self.query_one(FilterBar).open()

    def action_fold(self) -> None:
        """Fold or unfold the pipeline under the cursor."""
        self.query_one(RunsTable).fold()

    def action_clear(self) -> None:
        """Clear the filter; without one the order, else the marks."""
        table = self.query_one(RunsTable)
        if table.filter is not None:
            self.query_one(FilterBar).clear()
        elif table.order is not None:
            table.order = None
        else:
            table.marked = frozenset()

    @on(Grid.HeaderClicked)
    def _sort_by_column(self, event: Grid.HeaderClicked) -> None:
        name = SORT_FIELDS.get(event.column)
        if name is not None:
            self.sort_by(name)

    def sort_by(self, name: str) -> None:
        """Sort by a field: its best or largest values first, then the other way round, then as before."""
        table = self.query_one(RunsTable)
        field = find_field(name, self.yoloqat.backend)
        current = table.order
        if current is None or current.field.name != name:
            table.order = Order(field, is_descending=field.is_number and name not in SMALLEST_FIRST)
        elif current.is_descending == (field.is_number and name not in SMALLEST_FIRST):
            table.order = Order(field, not current.is_descending)
        else:
            table.order = None
        table.action_edge(-1)  # the first ones are what was looked for

    def action_sort(self) -> None:
        """Sort by the next column: the best mAP first, then names, states and the others."""
        table = self.query_one(RunsTable)
        current = table.order.field.name if table.order is not None else ""
        following = [*SORT_CYCLE[SORT_CYCLE.index(current) + 1 :], ""] if current in SORT_CYCLE else [*SORT_CYCLE]
        table.order = None
        if following[0]:
            self.sort_by(following[0])

    def action_reverse(self) -> None:
        """Reverse the order of the sorted runs."""
        table = self.query_one(RunsTable)
        if table.order is not None:
            table.order = Order(table.order.field, not table.order.is_descending)
