"""One run, live: progress, epochs, curves, evaluations, log and provenance."""

import threading
import time
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.worker import get_current_worker

from app.comparing.layers import layer_table
from app.formatting import aware
from app.keymap import bindings
from app.messages import CallFailed, DetailRead, LogRead
from app.screens import actions
from app.screens.base_screen import BaseScreen
from app.screens.dialogs.stop import ask_to_stop
from app.screens.unexpected import unexpected
from app.widgets.base.lines_pane import LinesPane
from app.widgets.base.pane_tabs import PaneTabs
from app.widgets.charts.curves_pane import CurvesPane
from app.widgets.log.log_view import LogView
from app.widgets.run.epoch_table import EpochTable
from app.widgets.run.epoch_totals import unchanged
from app.widgets.run.evaluation_table import EvaluationTable
from app.widgets.run.layer_text import layer_lines
from app.widgets.run.provenance_pane import about
from app.widgets.run.run_header import RunHeader
from db.views import RunDetail, RunView
from engine.contracts.errors import YoloqatError

PANES = (
    ("epochs", "Epochs"),
    ("curves", "Curves"),
    ("log", "Log"),
    ("evaluation", "Evaluation"),
    ("about", "About"),
    ("layers", "Layers"),
)
LOG_LINES = 1000
"""Lines that are read from the end of the log."""
LOG_SECONDS = 0.7
"""Interval between checks of the log while it is shown."""
DETAIL_SECONDS = 3.0
"""Shortest interval between reads of a live run's detail while no epoch ends."""
PATIENCE_SECONDS = 20.0
"""How long a run that was just launched may be missing from the index before an error is shown."""


class RunScreen(BaseScreen):
    """One run; when `following`, each step of its pipeline as it starts."""

    SCOPE = "run"
    BINDINGS: ClassVar = bindings("run")
    AUTO_FOCUS = "#epochs"

    def __init__(self, run_id: str, *, following: bool = False, pane: str = "epochs") -> None:
        super().__init__()
        self.run_id = run_id
        self.following = following
        self._pane = pane
        self._detail: RunDetail | None = None
        self._wake = threading.Event()
        self._is_over = False
        self._has_chosen = pane != "epochs"

    def body(self) -> ComposeResult:
        yield RunHeader(id="head")
        yield PaneTabs(PANES, self._pane)
        with Container(id="panes"):
            yield EpochTable(id="epochs")
            yield LinesPane(id="layers")
            yield CurvesPane(id="curves")
            yield LogView(id="log")
            yield EvaluationTable(id="evaluation")
            yield LinesPane(id="about")

    def on_mount(self) -> None:
        """Title the panes and start reading."""
        for number, (pane, title) in enumerate(PANES, start=1):
            self.query_one(f"#{pane}").border_title = f"{number} {title}"
        self.query_one(RunHeader).following = self.following
        self._show_pane(self._pane)
        self.watch(self.app, "runs", self._runs_changed)
        self.watch(self.query_one(LogView), "note", self._note)
        self.follow_run()

    def on_unmount(self) -> None:
        """Wake the reading thread, so that it ends."""
        self._is_over = True
        self._wake.set()

    @property
    def run_at_hand(self) -> RunView | None:
        """The run as it is in the run list, else as in the detail read last."""
        listed = next((run for run in self.yoloqat.runs if run.id == self.run_id), None)
        return listed or (self._detail.run if self._detail else None)

    def show_run(self, run_id: str) -> None:
        """Show another run in the same screen."""
        if run_id == self.run_id:
            return
        self.run_id, self._detail = run_id, None
        if not self.is_mounted:
            return
        self.query_one(LogView).clear()
        self.query_one("#layers", LinesPane).lines = ()
        self.query_one(RunHeader).detail = None
        if self._pane == "layers" and not self._has_chosen:
            self._show_pane("epochs")
        self._runs_changed(self.yoloqat.runs)
        self.follow_run()

    @work(thread=True, exclusive=True, group="run", exit_on_error=False)
    def follow_run(self) -> None:
        """Read the run's detail and log whenever they change, until another run is shown."""
        worker, app, run_id = get_current_worker(), self.yoloqat, self.run_id
        drawn: tuple[object, ...] = ()
        stamp: tuple[int, int, int] | None = None
        detail: RunDetail | None = None
        next_detail, began = 0.0, time.monotonic()
        while not (worker.is_cancelled or self._is_over):
            if self.is_on_top:
                now = time.monotonic()
                try:
                    # The log first: the detail may have to wait until the index has read a large one.
                    newest = app.backend.log_stamp(run_id)
                    if newest != stamp:
                        lines = app.backend.log(run_id, LOG_LINES)
                        stamp = newest
                        self._post(worker.is_cancelled, LogRead(run_id, lines))
                    current = (app.backend.version(), milestones(self.run_at_hand))
                    if current != drawn and (current[1:] != drawn[1:] or now >= next_detail):
                        detail = app.backend.detail(run_id, detail)
                        drawn, next_detail = current, now + DETAIL_SECONDS
                        self._post(worker.is_cancelled, DetailRead(detail, app.backend.provenance(run_id)))
                except YoloqatError as error:
                    if now - began > PATIENCE_SECONDS:
                        self._post(worker.is_cancelled, CallFailed(error, once=True))
                except Exception as error:
                    self._post(worker.is_cancelled, CallFailed(unexpected(error), once=True))
            self._wake.wait(LOG_SECONDS)
            self._wake.clear()

    def _post(self, is_cancelled: bool, message: DetailRead | LogRead | CallFailed) -> None:
        if not is_cancelled:
            self.post_message(message)

    def _runs_changed(self, runs: Sequence[RunView]) -> None:
        run = self.run_at_hand
        if run is None:
            return
        head = self.query_one(RunHeader)
        head.run = run
        head.steps = siblings(runs, run)
        if self._detail is not None:
            self.query_one(EpochTable).show(self._detail, run)
            self._note()

    @on(DetailRead)
    def _show_detail(self, message: DetailRead) -> None:
        detail, before = message.detail, self._detail
        if detail.run.id != self.run_id:
            return
        self._detail = detail
        self._runs_changed(self.yoloqat.runs)
        self.query_one(RunHeader).detail = detail
        if before is None or unchanged(before.epochs, detail.epochs) < max(len(before.epochs), len(detail.epochs)):
            self.query_one(CurvesPane).show(detail)
        self.query_one(EvaluationTable).show(detail)
        folder = self.yoloqat.backend.folder(detail.run.id)
        self.query_one("#about", LinesPane).lines = tuple(about(detail, str(folder), message.provenance))
        layers = layer_table(detail)
        self.query_one("#layers", LinesPane).lines = tuple(layer_lines(layers))
        if layers is not None and not detail.epochs and not self._has_chosen and self._pane == "epochs":
            self._show_pane("layers")

    @on(LogRead)
    def _show_log(self, message: LogRead) -> None:
        if message.run_id == self.run_id:
            self.query_one(LogView).show(message.lines)

    @on(EpochTable.NotesChanged)
    def _show_notes(self) -> None:
        self._note()

    @on(PaneTabs.Chosen)
    def _choose_pane(self, message: PaneTabs.Chosen) -> None:
        self._has_chosen = True
        self._show_pane(message.pane)

    @on(RunHeader.StepChosen)
    def _choose_step(self, message: RunHeader.StepChosen) -> None:
        self._stop_following()
        self.show_run(message.run_id)

    def _show_pane(self, pane: str) -> None:
        self._pane = pane
        self.query_one(PaneTabs).active = pane
        panes = self.query_one("#panes")
        for name, _ in PANES:
            panes.set_class(name == pane, f"-{name}")
        self.query_one(f"#{pane}").focus()
        self._note()

    def _note(self) -> None:
        """Show the pane's border subtitle beside the tabs: a pane under tabs has no border."""
        pane, tabs = self.query_one(f"#{self._pane}"), self.query_one(PaneTabs)
        tabs.is_notable = not (isinstance(pane, EpochTable) and pane.border_subtitle == pane.legend)
        tabs.note = str(pane.border_subtitle or "")

    def action_pane(self, pane: str) -> None:
        """Go to a pane: its tab, or its place on the screen."""
        self._has_chosen = True
        self._show_pane(pane)

    def action_back(self) -> None:
        """Return to the screen that opened this one."""
        self.dismiss()

    def action_stop(self) -> None:
        """Ask for confirmation, and stop the run."""
        run = self.run_at_hand
        if run is not None:
            ask_to_stop(self.yoloqat, run)

    def action_resume(self) -> None:
        """Start the next attempt of the run."""
        run = self.run_at_hand
        if run is not None:
            actions.resume(self.yoloqat, run)

    def action_follow(self) -> None:
        """Follow the pipeline, or stay with this run."""
        run = self.run_at_hand
        if run is None or run.group is None:
            self.notify("This run is not part of a pipeline.", severity="warning")
            return
        self.following = not self.following
        self.query_one(RunHeader).following = self.following
        if self.following:
            self.yoloqat.guide.follow(run.group)
            self.yoloqat.guide.runs_changed(self.yoloqat.runs)

    def action_compare(self) -> None:
        """Compare the runs of this pipeline."""
        self.yoloqat.action_chain()

    def action_sibling(self, step: int) -> None:
        """Show the previous or next step of the pipeline."""
        runs = self.query_one(RunHeader).steps
        index = next((i for i, run in enumerate(runs) if run.id == self.run_id), None)
        if index is not None and 0 <= index + step < len(runs):
            self._stop_following()
            self.show_run(runs[index + step].id)

    def _stop_following(self) -> None:
        self.following = False
        self.query_one(RunHeader).following = False


def siblings(runs: Sequence[RunView], run: RunView) -> tuple[RunView, ...]:
    """Return the runs of the same pipeline, in the order of their launch."""
    if run.group is None:
        return ()
    return tuple(sorted((r for r in runs if r.group == run.group), key=lambda r: (aware(r.created_at), r.id)))


def milestones(run: RunView | None) -> tuple[object, ...]:
    """Return the values that trigger an immediate read of the detail when they change."""
    if run is None:
        return ()
    phase = run.progress.phase if run.progress else ""
    return (run.state, run.attempt, run.epochs_done, run.best_map, run.archived, phase)
