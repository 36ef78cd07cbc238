"""Base of all full screens: header, key bar, and style classes for the size of the terminal."""

from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen

from app.screens.app_interface import AppInterface
from app.widgets.base.header_bar import HeaderBar
from app.widgets.base.key_bar import KeyBar
from app.widgets.base.too_small import COLUMNS, ROWS, TooSmall


class BaseScreen(Screen[None]):
    """A full screen. Subclasses define the widgets between header and key bar in `body`."""

    SCOPE: ClassVar[str]
    """Name of the screen's key bindings in `app.keymap`."""

    def compose(self) -> ComposeResult:
        yield HeaderBar()
        yield from self.body()
        yield KeyBar(self.SCOPE)
        yield TooSmall()

    def body(self) -> ComposeResult:
        """Yield the widgets between header and key bar."""
        return ()

    @property
    def yoloqat(self) -> AppInterface:
        """The app, typed as `AppInterface`."""
        return cast(AppInterface, self.app)

    @property
    def is_on_top(self) -> bool:
        """Whether no other screen or dialog covers this one. Textual's `is_current` is true below a dialog, too."""
        return self.app.screen is self

    @property
    def is_whole(self) -> bool:
        """Whether the widgets are mounted. A screen that is being removed still receives messages after its widgets are
        gone."""
        return self.is_running and bool(self.query(TooSmall))

    def on_resize(self) -> None:
        """Set the size classes that the style sheets use."""
        self._set_size_classes()

    def on_screen_resume(self) -> None:
        """Set the size classes again: the terminal may have been resized while another screen was on top."""
        self._set_size_classes()

    def _set_size_classes(self) -> None:
        columns, rows = self.app.size
        self.set_class(columns >= 110, "-wide")
        self.set_class(columns >= 110 and rows >= 34, "-roomy")
        self.set_class(columns >= 160 and rows >= 40, "-huge")
        self.set_class(rows < 18, "-short")
        self.set_class(columns < COLUMNS or rows < ROWS, "-tiny")
