"""The launch form: choose a pipeline, give its inputs, see the command lines, start it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Label, Select, Static
from textual.worker import get_current_worker

from app.keymap import bindings
from app.messages import CallFailed
from app.screens.base_screen import BaseScreen
from app.screens.unexpected import unexpected
from app.widgets.base.glyphs import glyphs
from app.widgets.base.styled_text import Cell, clean, content
from app.widgets.launch.input_form import InputForm
from app.widgets.launch.launch_text import NAME, command_lines, error_lines, fields_of, named_inputs
from engine.contracts.errors import YoloqatError

if TYPE_CHECKING:
    from app.launching.pipelines import PipelineSummary
    from engine.contracts.spec import RunSpec
    from engine.pipelines.pipeline import Pipeline

PREVIEW_DELAY_SECONDS = 0.35
"""Delay between the last keystroke and planning the command lines again."""


class PipelinesListed(Message):
    """The pipelines that can be launched were listed."""

    def __init__(self, summaries: Sequence[PipelineSummary]) -> None:
        super().__init__()
        self.summaries = tuple(summaries)


class PipelineLoaded(Message):
    """A pipeline file was read and is valid."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline


class Planned(Message):
    """The current form was planned or launched: its specs, or the error."""

    def __init__(self, specs: Sequence[RunSpec], error: YoloqatError | None, launched: bool) -> None:
        super().__init__()
        self.specs = tuple(specs)
        self.error = error
        self.launched = launched


class LaunchScreen(BaseScreen):
    """Pipeline, inputs and preview. Only the key `launch` starts anything."""

    SCOPE = "launch"
    BINDINGS: ClassVar = bindings("launch")
    AUTO_FOCUS = "#pipeline"

    def __init__(self) -> None:
        super().__init__()
        self.pipeline: Pipeline | None = None
        self._summaries: Mapping[str, PipelineSummary] = {}
        self._planning: Timer | None = None

    def body(self) -> ComposeResult:
        with Vertical(id="choice"):
            with Horizontal(id="pipeline-line"):
                yield Label("pipeline")
                yield Select((), prompt="Choose a pipeline", id="pipeline", compact=True)
            yield Static(id="description")
        with Container(id="launch-panes"):
            form = InputForm(id="form")
            form.border_title = "Inputs"
            yield form
            with VerticalScroll(id="preview") as preview:
                preview.border_title = "Command lines"
                yield Static(id="preview-text")

    def on_mount(self) -> None:
        """List the pipelines."""
        self.list_pipelines()

    @work(thread=True, exclusive=True, group="pipelines", exit_on_error=False)
    def list_pipelines(self) -> None:
        """List the pipelines in a worker thread."""
        try:
            self.post_message(PipelinesListed(self.yoloqat.backend.pipelines()))
        except YoloqatError as error:
            self.post_message(CallFailed(error))
        except Exception as error:
            self.post_message(CallFailed(unexpected(error)))

    @work(thread=True, exclusive=True, group="pipelines", exit_on_error=False)
    def load(self, path: str) -> None:
        """Read one pipeline file in a worker thread."""
        try:
            self.post_message(PipelineLoaded(self.yoloqat.backend.pipeline(path)))
        except YoloqatError as error:
            self.post_message(CallFailed(error))
        except Exception as error:
            self.post_message(CallFailed(unexpected(error)))

    @on(PipelinesListed)
    def _show_choices(self, message: PipelinesListed) -> None:
        if not self.is_whole:
            return
        self._summaries = {str(summary.path): summary for summary in message.summaries}
        choice = self.query_one("#pipeline", Select)
        choice.set_options((Content(clean(summary.name)), path) for path, summary in self._summaries.items())
        if self._summaries:
            choice.value = next(iter(self._summaries))

    @on(Select.Changed, "#pipeline")
    def _show_description(self, event: Select.Changed) -> None:
        summary = self._summaries.get(str(event.value))
        if summary is None or not self.is_whole:
            return
        steps = f" {glyphs().arrow} ".join(clean(step) for step in summary.steps)
        text: Cell = ((f"{clean(summary.description)}\n", ""), (steps, "muted"))
        self.query_one("#description", Static).update(content(text))
        self.load(str(summary.path))

    @on(PipelineLoaded)
    def _fill_form(self, message: PipelineLoaded) -> None:
        if not self.is_whole:
            return
        self.pipeline = message.pipeline
        self.query_one(InputForm).show(fields_of(message.pipeline))
        self._plan_soon()

    @on(InputForm.Changed)
    def _plan_soon(self) -> None:
        if self._planning is not None:
            self._planning.stop()
        self._planning = self.set_timer(PREVIEW_DELAY_SECONDS, lambda: self._plan_form(False))

    def _plan_form(self, launch: bool) -> None:
        """Plan the current values of the form, and launch them if `launch`."""
        if self.pipeline is None or not self.is_whole:
            return
        values = dict(self.query_one(InputForm).values)
        name = None if NAME in self.pipeline.inputs else str(values.pop(NAME, "")) or None
        self.plan(self.pipeline, values, name, launch)

    @work(thread=True, exclusive=True, group="plan", exit_on_error=False)
    def plan(self, pipeline: Pipeline, values: Mapping[str, str | bool], name: str | None, launch: bool) -> None:
        """Plan a pipeline with these values, and launch it if `launch`."""
        worker, backend = get_current_worker(), self.yoloqat.backend
        try:
            call = backend.launch if launch else backend.plan
            message = Planned(call(pipeline, values, name), None, launch)
        except YoloqatError as error:
            message = Planned((), error, launch)
        except Exception as error:
            message = Planned((), unexpected(error), launch)
        if launch or not worker.is_cancelled:
            self.post_message(message)

    @on(Planned)
    def _show_plan(self, message: Planned) -> None:
        if not self.is_whole:
            return
        missing = self.query_one(InputForm).missing() if message.error and not message.launched else []
        wrong = message.error is not None and not missing
        self.query_one("#launch-panes").set_class(wrong, "-wrong")
        self.query_one("#preview").border_title = "Cannot be launched" if wrong else "Command lines"
        if missing:
            lines: list[Cell] = [((f"Still needed: {', '.join(missing)}.", "muted"),)]
        else:
            lines = error_lines(message.error) if message.error else command_lines(message.specs)
        self.query_one("#preview-text", Static).update(Content("\n").join([content(line) for line in lines]))
        if message.error is not None and message.launched:
            form = self.query_one(InputForm)
            needed = dict.fromkeys(form.missing(), "This is needed.")
            form.complain({**named_inputs(self.pipeline, message.error), **needed})
            self.notify("Nothing was started.", severity="error")
        elif message.launched:
            specs = message.specs
            self.dismiss()
            self.app.call_later(self.yoloqat.guide.launched, specs)

    def action_launch(self) -> None:
        """Check the form, and launch the pipeline."""
        if self._planning is not None:
            self._planning.stop()
        self._plan_form(True)

    def action_preview(self) -> None:
        """Show the command lines, or the error."""
        self._plan_form(False)

    def action_back(self) -> None:
        """Return without launching."""
        self.dismiss()
