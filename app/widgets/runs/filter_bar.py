"""The line in which a filter is typed."""

import re

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Label

from app.runs.query.fields import FIELDS, OPTION, field_names
from app.widgets.base.styled_text import clean, content

TEXTS = frozenset(field.name for field in FIELDS.values() if not field.is_number)


class FieldSuggester(Suggester):
    """Completes the name of a field at the end of a filter."""

    def __init__(self) -> None:
        super().__init__(use_cache=False)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the filter with the last word completed; None if it begins no field."""
        word = re.split(r"[\s|]", value)[-1]
        start = word.rsplit(":", 1)[-1] if word.startswith("not:") else word.removeprefix("-")
        if not start:
            return None
        name = next((name for name in field_names() if name.startswith(start) and name != start), None)
        if name is None:
            return None
        return f"{value}{name[len(start) :]}{'' if name == OPTION else ':' if name in TEXTS else '>'}"


class FilterBar(Horizontal):
    """Hidden until it is opened; stays while it filters."""

    BINDINGS = [("escape", "cancel", "Clear"), ("down", "done", "Back to the table")]

    DEFAULT_CSS = """
    FilterBar { display: none; height: 1; padding: 0 1; background: $surface; }
    FilterBar.-open { display: block; }
    FilterBar Label { width: 8; color: $text-primary; }
    FilterBar Input { width: 1fr; background: $surface; }
    FilterBar #problem { width: auto; max-width: 60%; color: $text-warning; }
    """

    class Closed(Message):
        """The typing is over."""

    def __init__(self) -> None:
        super().__init__()
        self._problem = ""

    def compose(self) -> ComposeResult:
        yield Label("filter")
        field = Input(
            placeholder="words, map>0.48, state:failed, tag:relu, /exp0[12]/, -word, a | b",
            compact=True,
            suggester=FieldSuggester(),
        )
        field.cursor_blink = False
        yield field
        yield Label(id="problem")

    @property
    def problem(self) -> str:
        """What is wrong with the filter; empty if it is understood."""
        return self._problem

    @problem.setter
    def problem(self, text: str) -> None:
        if text != self._problem:
            self._problem = text
            self.query_one("#problem", Label).update(content(((clean(text), ""),)))

    def type(self, text: str) -> None:
        """Open the line with a filter."""
        self.open()
        self.query_one(Input).value = text

    def open(self) -> None:
        """Show the line and type."""
        self.add_class("-open")
        self.query_one(Input).focus()

    def clear(self) -> None:
        """Clear the filter and hide its line."""
        self.query_one(Input).value = ""
        self.remove_class("-open")

    @on(Input.Submitted)
    def action_done(self) -> None:
        """Keep the filter; an empty one takes no room."""
        if not self.query_one(Input).value:
            self.remove_class("-open")
        self.post_message(self.Closed())

    def action_cancel(self) -> None:
        """Drop the filter."""
        self.clear()
        self.post_message(self.Closed())
