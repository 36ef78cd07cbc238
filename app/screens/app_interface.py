"""What screens may ask of the app, so that they need not know it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.app import App
from textual.reactive import reactive

from app.backend.interface import Backend
from db.views import RunView

if TYPE_CHECKING:
    from engine.contracts.spec import RunSpec


class Navigator(Protocol):
    """The ways from one screen to another."""

    def new(self) -> None:
        """The launch form."""

    def open_run(self, run_id: str, *, following: bool = False) -> None:
        """A run's screen."""

    def compare(self, run_ids: Sequence[str]) -> None:
        """Runs side by side."""

    def compare_group(self, group: str) -> None:
        """All runs of a pipeline that have begun, side by side."""

    def launched(self, specs: Sequence[RunSpec]) -> None:
        """The first step of a pipeline that was just launched, then those that follow."""

    def follow(self, group: str) -> None:
        """From now on each step of a pipeline as it starts."""

    def runs_changed(self, runs: Sequence[RunView]) -> None:
        """The step that is at work now, if one is followed."""


class AppInterface(App[None]):
    """The app as its screens know it."""

    workspace: reactive[Path | None] = reactive(None)
    """The workspace's folder, once it is known."""
    runs: reactive[tuple[RunView, ...]] = reactive(())
    """All runs, as they were read last."""
    is_read: reactive[bool] = reactive(False)
    """Whether the runs were read at all."""
    failure: reactive[str] = reactive("")
    """What went wrong last, for the place where runs would stand."""
    show_archived = False
    """Whether the list has archived runs, too."""
    guide: Navigator

    @property
    @abstractmethod
    def backend(self) -> Backend:
        """The services of the workspace.

        Raises:
            YoloqatError: the workspace isn't open yet.
        """

    @abstractmethod
    def action_chain(self) -> None:
        """Compare the whole pipeline at hand."""

    @abstractmethod
    def read_soon(self) -> None:
        """Read the runs now: something was done that changes them."""
