"""What all full screens share: header, keys, and classes for the terminal's size."""

from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen

from app.screens.app_interface import AppInterface
from app.widgets.base.header_bar import HeaderBar
from app.widgets.base.key_bar import KeyBar
from app.widgets.base.too_small import COLUMNS, ROWS, TooSmall


class BaseScreen(Screen[None]):
    """A full screen. Subclasses say what stands between header and keys."""

    SCOPE: ClassVar[str]
    """The screen's bindings in `app.keymap`."""

    def compose(self) -> ComposeResult:
        yield HeaderBar()
        yield from self.body()
        yield KeyBar(self.SCOPE)
        yield TooSmall()

    def body(self) -> ComposeResult:
        """The widgets of this screen; each has its own."""
        return ()

    @property
    def yoloqat(self) -> AppInterface:
        """The app, with its own attributes."""
        return cast(AppInterface, self.app)

    @property
    def is_whole(self) -> bool:
        """Whether the widgets are all there. A screen that is being taken down still gets messages, but has no widgets
        left to show them in."""
        return self.is_running and bool(self.query(TooSmall))

    def on_resize(self) -> None:
        """Name the size, for the style sheets."""
        self._name_size()

    def on_screen_resume(self) -> None:
        """The terminal may have changed its size meanwhile."""
        self._name_size()

    def _name_size(self) -> None:
        columns, rows = self.app.size
        self.set_class(columns >= 110, "-wide")
        self.set_class(columns >= 110 and rows >= 34, "-roomy")
        self.set_class(columns >= 160 and rows >= 40, "-huge")
        self.set_class(rows < 18, "-short")
        self.set_class(columns < COLUMNS or rows < ROWS, "-tiny")
