"""Navigation between the screens: open, launch, follow, compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.screens.actions import in_background
from app.screens.app_interface import AppInterface
from app.screens.compare import CompareScreen
from app.screens.launch import LaunchScreen
from app.screens.run import RunScreen, siblings
from db.views import RunView
from engine.contracts.states import RunState

if TYPE_CHECKING:
    from engine.contracts.spec import RunSpec


class PipelineNavigator:
    """Follows a pipeline: shows each step as it starts, and optionally the comparison at the end."""

    def __init__(self, app: AppInterface) -> None:
        self._app = app
        self._group: str | None = None
        self._shown: str | None = None
        self._ends_in_compare = False

    def new(self) -> None:
        """Open the launch form."""
        if not isinstance(self._app.screen, LaunchScreen):
            self._app.push_screen(LaunchScreen())

    def open_run(self, run_id: str, *, following: bool = False) -> None:
        """Open a run's screen, or show the run in the current one if that is a run screen."""
        screen = self._app.screen
        if isinstance(screen, RunScreen):
            screen.show_run(run_id)
        else:
            self._app.push_screen(RunScreen(run_id, following=following, pane=self._pane_for(run_id)))

    def _pane_for(self, run_id: str) -> str:
        """Return the pane to open first: the log for a run that failed before its first epoch, else the epochs."""
        run = next((run for run in self._app.runs if run.id == run_id), None)
        went_wrong = run is not None and not run.state.is_live and run.state is not RunState.SUCCEEDED
        return "log" if went_wrong and run is not None and not run.epochs_done else "epochs"

    def compare_group(self, group: str) -> None:
        """Compare all runs of a pipeline that have started, without `shapes` steps, which have no metrics."""
        runs = sorted((r for r in self._app.runs if r.group == group), key=lambda r: (r.created_at, r.id))
        self.compare([run.id for run in runs if run.state is not RunState.QUEUED and run.stage != "shapes"])

    def compare(self, run_ids: Sequence[str]) -> None:
        """Compare runs side by side."""
        if len(run_ids) < 2:
            self._app.notify("Mark at least two runs with space to compare them.", severity="warning")
            return
        self._app.push_screen(CompareScreen(tuple(run_ids)))

    def launched(self, specs: Sequence[RunSpec]) -> None:
        """Show the first step of a pipeline that was just launched, and follow it."""
        self._launched(specs[0].id, specs[0].group, False)

    def launch_demo(self) -> None:
        """Launch the demo, follow it, and end on the comparison of its whole chain."""

        def call() -> None:
            specs = self._app.backend.demo()
            self._app.call_from_thread(self._launched, specs[0].id, specs[0].group, True)

        in_background(self._app, call, "demo")

    def _launched(self, run_id: str, group: str | None, ends_in_compare: bool) -> None:
        self._app.read_soon()
        if group is not None:
            self.follow(group, ends_in_compare)
        self._shown = run_id
        self.open_run(run_id, following=group is not None)

    def follow(self, group: str, ends_in_compare: bool = False) -> None:
        """Show each further step of this pipeline as it starts."""
        if group != self._group:
            self._ends_in_compare = ends_in_compare
        self._group = group

    def runs_changed(self, runs: Sequence[RunView]) -> None:
        """Show the current step, if the user is still on a screen that follows the pipeline."""
        member = next((run for run in runs if run.group == self._group), None) if self._group else None
        if member is None:
            return
        members = siblings(runs, member)
        screen = self._app.screen
        is_shown = isinstance(screen, RunScreen) and screen.following and screen.run_id in {run.id for run in members}
        current = step_at_work(members)
        if is_shown and isinstance(screen, RunScreen) and current.id != screen.run_id:
            screen.show_run(current.id)
        if all(not run.state.is_live for run in members):
            self._finish(member.group or "", is_shown)

    def _finish(self, group: str, is_shown: bool) -> None:
        self._group = None
        if not self._ends_in_compare:
            return
        self._ends_in_compare = False
        if is_shown:
            self.compare_group(group)
        else:
            self._app.notify(
                "The demo has ended. D on one of its runs shows the whole chain.", title="Demo", timeout=30
            )


def step_at_work(members: Sequence[RunView]) -> RunView:
    """Return the step that runs, else the last one that ended, else the first."""
    for run in members:
        if run.state in (RunState.STARTING, RunState.RUNNING):
            return run
    ended = [run for run in members if not run.state.is_live and run.state is not RunState.DEPENDENCY_FAILED]
    return ended[-1] if ended else members[0]
