"""What stands in the place of the table while there are no runs."""

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Middle
from textual.content import Content
from textual.widgets import Static

from app.widgets.base.header_bar import short_path
from app.widgets.base.styled_text import Cell, clean, content

_STEPS: tuple[Cell, ...] = (
    (("No runs yet.", "title"),),
    "",
    (("n", "strong"), ("                          launch a pipeline", "")),
    (("yoloqat-tui --demo", "strong"), ("         the whole chain on a small model, in minutes", "")),
    (("yoloqat import PATH...", "strong"), ("     bring in a log, or a folder of runs", "")),
    (("yoloqat run -- COMMAND...", "strong"), ("  run and watch any command", "")),
)


class Welcome(Middle):
    """The first steps, once it is known that there is nothing to show."""

    DEFAULT_CSS = """
    Welcome { display: none; height: 1fr; padding: 0 2; align: center middle; }
    Welcome Static { width: auto; max-width: 100%; height: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Static()

    def __init__(self) -> None:
        super().__init__()
        self._workspace: Path | None = None

    def show(self, is_read: bool, workspace: Path | None) -> None:
        """Say where these runs would be."""
        if not is_read or workspace == self._workspace:
            return  # an update lays out the whole screen, even where this is hidden
        self._workspace = workspace
        where: Cell = (("workspace ", "muted"), (clean(short_path(workspace)), "muted"))
        self.query_one(Static).update(Content("\n").join([content(line) for line in (*_STEPS, "", where)]))
