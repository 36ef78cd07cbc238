"""Comparison of runs: their chain, metrics and options."""

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.worker import get_current_worker

from app.comparing.comparison import NOISE, ChainStep, Comparison
from app.keymap import bindings
from app.messages import CallFailed
from app.screens.base_screen import BaseScreen
from app.screens.unexpected import unexpected
from app.widgets.base.glyphs import glyphs
from app.widgets.base.lines import Lines
from app.widgets.base.styled_text import Cell, clean, join
from app.widgets.compare.compare_table import CompareTable, names
from app.widgets.compare.lineage_table import LineageTable
from db.views import RunView
from engine.contracts.errors import YoloqatError

MANY_OPTIONS = 20
"""With more option rows than this, only rows that differ are shown at first."""


class ComparisonMade(Message):
    """Runs were read and compared."""

    def __init__(self, comparison: Comparison, chain: list[ChainStep]) -> None:
        super().__init__()
        self.comparison = comparison
        self.chain = chain


class CompareScreen(BaseScreen):
    """The compared runs as columns, updated while they are live."""

    SCOPE = "compare"
    BINDINGS: ClassVar = bindings("compare")
    AUTO_FOCUS = "CompareTable"

    def __init__(self, run_ids: tuple[str, ...]) -> None:
        super().__init__()
        self.run_ids = run_ids
        self.comparison: Comparison | None = None
        self.chain: list[ChainStep] = []
        self.only_differing: bool | None = None
        self._baseline: str | None = None
        self._compared_milestones: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        yield Lines(id="about-comparison")
        yield LineageTable()
        yield CompareTable(id="comparison")

    def on_mount(self) -> None:
        """Compare now, and again when one of the runs progresses."""
        self.watch(self.app, "runs", self._runs_changed)

    @property
    def run_at_hand(self) -> RunView | None:
        """The baseline."""
        return next((run for run in self.yoloqat.runs if run.id == self._baseline), None)

    def _runs_changed(self, runs: tuple[RunView, ...]) -> None:
        compared_ids = set(self.run_ids)
        milestones_of_runs = tuple(
            (run.id, run.state, run.epochs_done, run.best_map) for run in runs if run.id in compared_ids
        )
        if milestones_of_runs != self._compared_milestones or self.comparison is None:
            self._compared_milestones = milestones_of_runs
            self.compare()

    @work(thread=True, exclusive=True, group="compare", exit_on_error=False)
    def compare(self) -> None:
        """Read the runs and compare them."""
        worker, backend = get_current_worker(), self.yoloqat.backend
        try:
            details = [backend.detail(run_id) for run_id in self.run_ids]
            comparison, chain = backend.compare(details, self._baseline), backend.lineage(details)
            comparison, chain, unknown = backend.noise(comparison, chain)
            if unknown and not worker.is_cancelled:
                self.post_message(ComparisonMade(comparison, chain))
                comparison, chain, _ = backend.noise(comparison, chain, lambda: worker.is_cancelled)
        except YoloqatError as error:
            self.post_message(CallFailed(error))
        except Exception as error:
            self.post_message(CallFailed(unexpected(error)))
        else:
            if not worker.is_cancelled:
                self.post_message(ComparisonMade(comparison, chain))

    @on(ComparisonMade)
    def _show(self, message: ComparisonMade) -> None:
        self.comparison, self.chain = message.comparison, message.chain
        self._baseline = message.comparison.baseline
        if self.only_differing is None:
            self.only_differing = len(message.comparison.options) > MANY_OPTIONS
        self.query_one(LineageTable).show(message.chain)
        self._refresh()

    def _refresh(self) -> None:
        if self.comparison is None:
            return
        table = self.query_one(CompareTable)
        table.show(self.comparison, bool(self.only_differing))
        self.query_one(Lines).content_lines = (self._about(self.comparison),)

    def _about(self, comparison: Comparison) -> Cell:
        baseline_index = next(i for i, run in enumerate(comparison.runs) if run.id == comparison.baseline)
        return join(
            [
                ((f"{len(comparison.runs)} runs", "strong"),),
                (("baseline ", "muted"), (f"{glyphs().marked} {names(comparison)[baseline_index]}", "accent")),
                (("differing rows", "muted"),) if self.only_differing else (("all rows", "muted"),),
                ((f"{NOISE} noise: the 95 % interval contains zero", "muted"),) if self._has_noise(comparison) else "",
                ((clean(comparison.settings), "muted"),) if comparison.settings else "",
            ],
            f" {glyphs().dot} ",
        )

    def _has_noise(self, comparison: Comparison) -> bool:
        return comparison.has_noise or any(step.has_noise for step in self.chain)

    def action_baseline(self, step: int) -> None:
        """Make the next or previous run the baseline."""
        if self.comparison is None:
            return
        ids = [run.id for run in self.comparison.runs]
        self._baseline = ids[(ids.index(self.comparison.baseline) + step) % len(ids)]
        self.compare()

    def action_differing(self) -> None:
        """Switch between rows that differ and all rows."""
        self.only_differing = not self.only_differing
        self._refresh()

    def action_back(self) -> None:
        """Return to the screen that opened this one."""
        self.dismiss()
