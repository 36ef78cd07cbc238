"""The first screen: the table of all runs and a summary of the run under the cursor."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widgets import Input
from textual.worker import get_current_worker

from app.keymap import bindings
from app.messages import CallFailed, DetailRead
from app.screens import actions
from app.screens.base_screen import BaseScreen
from app.screens.dialogs.annotations import edit_annotations
from app.screens.dialogs.stop import ask_to_stop
from app.screens.run import milestones
from app.screens.unexpected import unexpected
from app.widgets.base.grid import Grid
from app.widgets.base.styled_text import clean
from app.widgets.runs.filter_bar import FilterBar
from app.widgets.runs.run_summary import RunSummary
from app.widgets.runs.runs_table import RunsTable
from app.widgets.runs.welcome import Welcome
from db.views import RunDetail, RunView
from engine.contracts.errors import YoloqatError

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
        self.query_one(RunsTable).filter_text = event.value

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
        """Clear the filter; when there is none, the marks."""
        table = self.query_one(RunsTable)
        if table.filter_text:
            self.query_one(FilterBar).clear()
        else:
            table.marked = frozenset()
