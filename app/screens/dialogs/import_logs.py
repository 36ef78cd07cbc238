"""Forms to import a log or folder, watch a log, or attach to a process."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Input, Label

from app.screens.actions import in_background
from app.screens.app_interface import AppInterface
from app.widgets.base.styled_text import clean


@dataclass(frozen=True)
class Kind:
    """The texts and the action of one form."""

    title: str
    about: str
    label: str
    button: str
    act: Callable[[AppInterface, str], None]


class PathSuggester(Suggester):
    """Suggests the first file or folder, by name, that starts with the typed path."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the completed path, with a slash after a folder."""
        folder, name = os.path.split(value)
        if not name:
            return None
        try:
            with os.scandir(Path(folder or ".").expanduser()) as entries:
                first_match = min((entry for entry in entries if entry.name.startswith(name)), key=lambda e: e.name)
            return os.path.join(folder, first_match.name) + ("/" if first_match.is_dir() else "")
        except (OSError, ValueError):
            return None


class ImportDialog(ModalScreen[str]):
    """One input line; Enter submits, Escape cancels, and the right arrow accepts the suggestion."""

    BINDINGS = [("escape", "refuse", "Cancel")]
    AUTO_FOCUS = "Input"

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._kind = kind

    def compose(self) -> ComposeResult:
        is_path = self._kind.label == "path"
        with Vertical(id="dialog", classes="marks") as box:
            box.border_title = self._kind.title
            with Horizontal():
                yield Label(self._kind.label)
                yield Input(id="import-path", compact=True, suggester=PathSuggester() if is_path else None)
            with Horizontal(id="dialog-answers"):
                yield Button(self._kind.button, id="save", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    @on(Input.Submitted)
    @on(Button.Pressed, "#save")
    def _submit(self) -> None:
        text = self.query_one("#import-path", Input).value.strip()
        if text:
            self.dismiss(text)

    @on(Button.Pressed, "#cancel")
    def action_refuse(self) -> None:
        """Close without doing anything."""
        self.dismiss(None)


def _import(host: AppInterface, text: str) -> None:
    def call() -> None:
        summary = clean(host.backend.import_path(Path(text).expanduser()))
        host.call_from_thread(lambda: host.notify(summary, title="Import", markup=False, timeout=15))

    host.notify(clean(text), title="Reading", markup=False)
    in_background(host, call, "import")


def _watch(host: AppInterface, text: str) -> None:
    def call() -> None:
        run_id = host.backend.watch(Path(text).expanduser())
        host.call_from_thread(host.guide.open_run, run_id)

    in_background(host, call, "watch")


def _attach(host: AppInterface, text: str) -> None:
    def call() -> None:
        run_id = host.backend.attach(text)
        host.call_from_thread(host.guide.open_run, run_id)

    in_background(host, call, "attach")


KINDS = (
    Kind("Import runs", "A log, a results file, or a folder such as runs/train", "path", "Import", _import),
    Kind("Watch a log", "Follow a growing log of a program that was not started here", "path", "Watch", _watch),
    Kind("Attach to a process", "Find the log of a process, and follow it", "pid", "Attach", _attach),
)
"""The forms that the command palette offers."""


def ask(host: AppInterface, kind: Kind) -> None:
    """Open a form, and run its action on the entered text."""
    host.push_screen(ImportDialog(kind), lambda text: kind.act(host, text) if text else None)


def asking(host: AppInterface, kind: Kind) -> Callable[[], None]:
    """Return a callback that opens the form, for the command palette."""
    return partial(ask, host, kind)
