"""The top of a run's screen: state, pipeline, the bar inside the epoch, losses and latest metrics."""

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.reactive import reactive

from app.widgets.base.glyphs import glyphs
from app.widgets.base.line_widget import LineWidget
from app.widgets.base.state import look
from app.widgets.base.styled_text import Cell, Span, clean, fit, join, width
from app.widgets.run.run_text import headline, last_log_line, loss_line, metric_line, progress_line
from db.views import RunDetail, RunView


def pipeline_strip(siblings: Sequence[RunView], current: str, columns: int) -> tuple[Cell, list[tuple[int, int, str]]]:
    """Return the steps of a pipeline with their states: `✓ retrain → ● ptq → ◌ qat`, and where each one stands.

    When the whole is too long, steps at the left give way to an ellipsis.
    """
    arrow, dots = f" {glyphs().arrow} ", f"{glyphs().ellipsis} "
    names = [f"{look(run).sign} {clean(run.step or run.name)}" for run in siblings]
    at = next((i for i, run in enumerate(siblings) if run.id == current), 0)
    first = 0
    while first < at and len(dots) * (first > 0) + len(arrow.join(names[first : at + 2])) > columns:
        first += 1
    spans: list[Span] = [(dots, "muted")] if first else []
    places: list[tuple[int, int, str]] = []
    x = len(dots) if first else 0
    for run, name in list(zip(siblings, names, strict=True))[first:]:
        if places:
            spans.append((arrow, "faint"))
            x += len(arrow)
        shown = look(run)
        if run.id == current:
            spans.append((name, "title"))
        else:
            spans += [(name[:1], shown.tone), (name[1:], "muted")]
        places.append((x, x + width(name), run.id))
        x += width(name)
    return fit(tuple(spans), columns), places


class RunHeader(LineWidget):
    """Five lines about a run; a step of its pipeline can be clicked."""

    DEFAULT_CSS = """
    RunHeader { height: 6; padding: 0 1; border-bottom: solid $panel; }
    RunHeader.-single { height: 5; }
    """

    run: reactive[RunView | None] = reactive(None, repaint=False)
    """The run, as it was read last."""
    detail: reactive[RunDetail | None] = reactive(None, repaint=False)
    """Its epochs and evaluations, perhaps a little older."""
    steps: reactive[tuple[RunView, ...]] = reactive((), repaint=False)
    """All runs of its pipeline, in order."""
    following: reactive[bool] = reactive(False, repaint=False)
    """Whether the screen goes on to the next step by itself."""

    class StepChosen(Message):
        """Another step of the pipeline was clicked."""

        def __init__(self, run_id: str) -> None:
            super().__init__()
            self.run_id = run_id

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._places: list[tuple[int, int, str]] = []

    def watch_run(self) -> None:
        """Draw what changed."""
        self.repaint()

    def watch_detail(self) -> None:
        """Draw what changed."""
        self.repaint()

    def watch_steps(self) -> None:
        """Give a run outside of any pipeline one line less."""
        self.set_class(len(self.steps) < 2, "-single")
        self.repaint()

    def watch_following(self) -> None:
        """Draw what changed."""
        self.repaint()

    def paint(self, columns: int, rows: int) -> Sequence[Cell]:
        if self.run is None:
            return [(("Reading the run", "muted"),)]
        lines: list[Cell] = [headline(self.run)]
        if len(self.steps) > 1:
            following_sign: Cell = (("following", "accent"),) if self.following else ""
            room = columns - (width(following_sign) + 2 if following_sign else 0)
            line, self._places = pipeline_strip(self.steps, self.run.id, room)
            lines.append(join([line, following_sign]))
        lines += [
            progress_line(self.run, columns),
            last_log_line(self.run, self.detail) or loss_line(self.run, self.detail),
            metric_line(self.run, self.detail, columns),
        ]
        return lines

    def on_click(self, event: events.Click) -> None:
        """Open the step that was clicked."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y != 1 or len(self.steps) < 2:
            return
        for start, end, run_id in self._places:
            if start <= offset.x < end:
                self.post_message(self.StepChosen(run_id))
