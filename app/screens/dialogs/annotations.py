"""The form for a run's annotations: name, tags, note."""

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

from app.screens import actions
from app.screens.app_interface import AppInterface
from app.widgets.base.styled_text import clean
from db.views import RunView


@dataclass(frozen=True)
class Edited:
    """The annotations as edited."""

    name: str
    tags: tuple[str, ...]
    notes: str


class AnnotationsDialog(ModalScreen[Edited]):
    """Name, tags and note of a run; Enter saves, Escape discards."""

    BINDINGS = [("escape", "refuse", "Cancel")]
    AUTO_FOCUS = "Input"

    def __init__(self, run: RunView) -> None:
        super().__init__()
        self._run_view = run

    def compose(self) -> ComposeResult:
        run = self._run_view
        with Vertical(id="dialog", classes="marks") as box:
            box.border_title = clean(run.id)
            for key, value in (("name", run.name), ("tags", " ".join(run.tags)), ("note", run.notes)):
                with Horizontal():
                    yield Label(key)
                    yield Input(value, id=f"mark-{key}", compact=True, select_on_focus=False)
            with Horizontal(id="dialog-answers"):
                yield Button("Save", id="save", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    @on(Input.Submitted)
    @on(Button.Pressed, "#save")
    def _save(self) -> None:
        name, tags, note = (self.query_one(f"#mark-{key}", Input).value for key in ("name", "tags", "note"))
        self.dismiss(Edited(name.strip(), tuple(tags.replace(",", " ").split()), note.strip()))

    @on(Button.Pressed, "#cancel")
    def action_refuse(self) -> None:
        """Close without saving."""
        self.dismiss(None)


def edit_annotations(app: AppInterface, run: RunView) -> None:
    """Open the form for a run's annotations, and write changes in a worker thread."""

    def write(edited: Edited | None) -> None:
        if edited is not None and edited != Edited(run.name, run.tags, run.notes):
            actions.annotate(app, run, edited.name, edited.tags, edited.notes)

    app.push_screen(AnnotationsDialog(run), write)
