"""A form built from a list of fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Label, Select, Static

from app.widgets.base.styled_text import clean


@dataclass(frozen=True)
class Field:
    """One value that the user can enter."""

    name: str
    help: str
    kind: str
    """`text`, `int`, `float`, `bool`, `choice` or `list` (words with spaces between them)."""
    default: str
    """The default as typed text; `yes` or empty for `bool`."""
    choices: tuple[str, ...] = ()
    is_required: bool = False


class FormRow(Vertical):
    """Name, editor, help and error of one field."""

    DEFAULT_CSS = """
    FormRow { height: auto; }
    FormRow Horizontal { height: 1; }
    FormRow Label { width: 18; color: $foreground; }
    FormRow Input, FormRow Select { width: 1fr; max-width: 60; }
    FormRow Input { background: $panel; padding: 0 1; }
    FormRow Input:focus { background: $border-blurred; }
    FormRow Checkbox { background: transparent; padding: 0; }
    FormRow .help { height: auto; margin: 0 0 0 18; color: $foreground-muted; }
    FormRow .wrong { display: none; height: auto; margin: 0 0 0 18; color: $text-error; }
    FormRow.-wrong .wrong { display: block; }
    FormRow:focus-within Label { color: $text-primary; text-style: bold; }
    """

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Label(clean(self.field.name) + (" *" if self.field.is_required else ""), markup=False)
            yield self._editor()
        if self.field.help:
            yield Static(clean(self.field.help), classes="help", markup=False)
        yield Static("", classes="wrong", markup=False)

    def _editor(self) -> Widget:
        field = self.field
        if field.kind == "bool":
            return Checkbox("", field.default == "yes", compact=True)
        if field.kind == "choice":
            value = field.default if field.default in field.choices else field.choices[0]
            return Select(((choice, choice) for choice in field.choices), value=value, allow_blank=False, compact=True)
        editor = Input(field.default, placeholder="required" if field.is_required else "", compact=True)
        editor.cursor_blink = False
        return editor

    @property
    def value(self) -> str | bool:
        """The current value of the editor."""
        editor = self.query_one("Checkbox, Select, Input")
        if isinstance(editor, Checkbox):
            return bool(editor.value)
        assert isinstance(editor, Select | Input)
        return str(editor.value).strip()

    def complain(self, text: str) -> None:
        """Show an error; an empty text removes it."""
        self.query_one(".wrong", Static).update(clean(text))
        self.set_class(bool(text), "-wrong")


class InputForm(VerticalScroll, can_focus=False):
    """Fields in rows; Tab moves to the next."""

    DEFAULT_CSS = """
    InputForm { scrollbar-size-vertical: 1; }
    """

    class Changed(Message):
        """A value was changed."""

    def show(self, fields: Sequence[Field]) -> None:
        """Replace the fields."""
        self.query(FormRow).remove()
        self.query(".none").remove()
        if fields:
            self.mount_all([FormRow(field) for field in fields])
        else:
            self.mount(Static("This pipeline has no inputs.", classes="none"))

    @property
    def rows(self) -> list[FormRow]:
        """The rows whose editors are mounted; a row that is being added or removed has none."""
        return [row for row in self.query(FormRow) if row.query("Checkbox, Select, Input")]

    @property
    def values(self) -> Mapping[str, str | bool]:
        """All values by name, as typed, without empty texts whose default is empty."""
        return {
            row.field.name: row.value
            for row in self.rows
            if row.is_mounted and (row.value != "" or row.field.default != "")
        }

    def missing(self) -> list[str]:
        """Return the names of required fields that are empty."""
        return [row.field.name for row in self.rows if row.field.is_required and row.value == ""]

    def complain(self, wrong: Mapping[str, str]) -> None:
        """Show errors beside their fields, and focus the first of these fields."""
        first = None
        for row in self.rows:
            text = wrong.get(row.field.name, "")
            row.complain(text)
            first = first or (row if text else None)
        if first is not None:
            first.query_one("Checkbox, Select, Input").focus()

    @on(Input.Changed)
    @on(Select.Changed)
    @on(Checkbox.Changed)
    def _changed(self, event: Message) -> None:
        event.stop()
        self.post_message(self.Changed())
