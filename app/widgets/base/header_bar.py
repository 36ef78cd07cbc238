"""The top line of every screen: host, workspace, counts of runs, time."""

from collections.abc import Sequence
from pathlib import Path

from textual.reactive import reactive

from app.widgets.base import surroundings
from app.widgets.base.glyphs import glyphs
from app.widgets.base.line_widget import LineWidget
from app.widgets.base.styled_text import Cell, clean, fit, join, width
from db.views import RunView
from engine.contracts.states import RunState


def short_path(path: Path | None) -> str:
    """Return a path with the home folder as `~`."""
    if path is None:
        return ""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path != home and path.is_relative_to(home) else str(path)


def counts(runs: Sequence[RunView]) -> Cell:
    """Return `● 1 running  ◌ 2 queued  24 runs`."""
    running = sum(run.state in (RunState.RUNNING, RunState.STARTING) for run in runs)
    queued = sum(run.state is RunState.QUEUED for run in runs)
    signs = glyphs().states
    return join(
        [
            ((f"{signs['running']} {running} running", "accent"),) if running else "",
            ((f"{signs['waits']} {queued} queued", ""),) if queued else "",
            ((f"{len(runs)} run{'' if len(runs) == 1 else 's'}", "muted"),) if runs else "",
        ]
    )


class HeaderBar(LineWidget):
    """Program, host, workspace, counts, and the time in minutes."""

    DEFAULT_CSS = """
    HeaderBar { dock: top; height: 1; padding: 0 1; background: $panel; }
    """

    workspace: reactive[Path | None] = reactive(None, repaint=False)
    """The workspace's folder; None until it is open."""
    runs: reactive[tuple[RunView, ...]] = reactive((), repaint=False)
    """All runs of the workspace."""

    def on_mount(self) -> None:
        """Check the clock every 5 s, and redraw when something shown has changed."""
        self.set_interval(5, self.repaint)
        self.watch(self.app, "workspace", lambda path: setattr(self, "workspace", path))
        self.watch(self.app, "runs", lambda runs: setattr(self, "runs", runs))

    def watch_workspace(self) -> None:
        """Draw what changed."""
        self.repaint()

    def watch_runs(self) -> None:
        """Draw what changed."""
        self.repaint()

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        time = surroundings.now().astimezone().strftime("%H:%M")
        right = join([counts(self.runs), ((time, "muted"),)])
        left = join(
            [
                (("yoloqat", "title"),),
                ((clean(surroundings.host()), "strong"),) if columns >= 60 else "",
                ((clean(short_path(self.workspace)), "muted"),),
            ]
        )
        room = columns - width(right)
        return [(*fit(left, max(0, room - 2)), ("  ", ""), *right)] if room > 10 else [fit(right, columns)]
