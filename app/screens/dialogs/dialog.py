"""A small window over the screen, with a few answers."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from app.widgets.base.styled_text import Cell, content

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], Generic[Answer]):
    """Title, text and buttons; Escape takes no answer. The first button has the focus."""

    BINDINGS = [
        ("escape", "refuse", "Cancel"),
        ("left", "app.focus_previous", "Previous"),
        ("right", "app.focus_next", "Next"),
    ]
    AUTO_FOCUS = "Button"

    def __init__(self, title: str, lines: Sequence[Cell], answers: Sequence[tuple[str, Answer, str]]) -> None:
        """`answers` are label, value and the button's variant."""
        super().__init__()
        self._title = title
        self._lines = tuple(lines)
        self._answers = tuple(answers)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as box:
            box.border_title = self._title
            with VerticalScroll(id="dialog-text", can_focus=False):
                yield Static(Content("\n").join([content(line) for line in self._lines]))
            with Horizontal(id="dialog-answers"):
                for index, (label, _, variant) in enumerate(self._answers):
                    yield Button(label, id=f"answer-{index}", variant=variant, compact=True)  # type: ignore[arg-type]

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        event.stop()
        index = int((event.button.id or "answer-0").rpartition("-")[2])
        self.dismiss(self._answers[index][1])

    def action_refuse(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
