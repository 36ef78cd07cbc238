"""The line in which a filter is typed."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class FilterBar(Horizontal):
    """Hidden until it is opened; stays while it filters."""

    BINDINGS = [("escape", "cancel", "Clear"), ("down", "done", "Back to the table")]

    DEFAULT_CSS = """
    FilterBar { display: none; height: 1; padding: 0 1; background: $surface; }
    FilterBar.-open { display: block; }
    FilterBar Label { width: 8; color: $text-primary; }
    FilterBar Input { width: 1fr; background: $surface; }
    """

    class Closed(Message):
        """The typing is over."""

    def compose(self) -> ComposeResult:
        yield Label("filter")
        field = Input(placeholder="name, stage, state or tag; -word excludes", compact=True)
        field.cursor_blink = False
        yield field

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
