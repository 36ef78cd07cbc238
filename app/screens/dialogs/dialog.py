"""Base of the modal dialogs: a text and buttons."""

import time
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from app.widgets.base.styled_text import Cell, content

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], Generic[Answer]):
    """Title, text and buttons; Escape closes without an answer. The safe answer has the focus."""

    BINDINGS = [
        ("escape", "refuse", "Cancel"),
        ("left", "app.focus_previous", "Previous"),
        ("right", "app.focus_next", "Next"),
    ]
    AUTO_FOCUS = "Button.-safe"
    DEAF_SECONDS: ClassVar[float] = 0.0
    """How long keys are dropped after the first paint. Set where a wrong answer costs hours, so that a shell command
    typed into the wrong window does not answer."""

    def __init__(
        self, title: str, lines: Sequence[Cell], answers: Sequence[tuple[str, Answer, str]], *, safe: int = 0
    ) -> None:
        """`answers` are label, value and the button's variant; `safe` is the index of the one that has the focus."""
        super().__init__()
        self._safe = safe
        self._painted_at: float | None = None
        self._has_warned = False
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
                    classes = "-safe" if index == self._safe else ""
                    yield Button(label, id=f"answer-{index}", variant=variant, compact=True, classes=classes)  # type: ignore[arg-type]

    def on_mount(self) -> None:
        """Record the time of the first paint."""
        self.call_after_refresh(self._record_paint)

    def _record_paint(self) -> None:
        self._painted_at = time.monotonic()

    def takes_keys(self, pressed_at: float) -> bool:
        """Whether a key pressed at this moment (monotonic seconds) counts as an answer."""
        if not self.DEAF_SECONDS:
            return True
        return self._painted_at is not None and pressed_at >= self._painted_at + self.DEAF_SECONDS

    def say_dropped(self) -> None:
        """Notify, once, that keys were dropped."""
        if not self._has_warned:
            self._has_warned = True
            self.notify("Keys typed before this question appeared were dropped.", severity="warning")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        event.stop()
        index = int((event.button.id or "answer-0").rpartition("-")[2])
        self.dismiss(self._answers[index][1])

    def action_refuse(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
