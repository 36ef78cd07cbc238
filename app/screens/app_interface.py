"""The interface of the app to its screens, so that they do not import `app.application`."""

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
    """Opens screens, and follows pipelines from step to step."""

    def new(self) -> None:
        """Open the launch form."""

    def open_run(self, run_id: str, *, following: bool = False) -> None:
        """Open a run's screen."""

    def compare(self, run_ids: Sequence[str]) -> None:
        """Open the comparison of these runs."""

    def compare_group(self, group: str) -> None:
        """Compare all runs of a pipeline that have started."""

    def launched(self, specs: Sequence[RunSpec]) -> None:
        """Show the first step of a pipeline that was just launched, and follow the pipeline."""

    def follow(self, group: str) -> None:
        """Show each further step of a pipeline as it starts."""

    def runs_changed(self, runs: Sequence[RunView]) -> None:
        """Show the current step of the followed pipeline, if there is one."""


class AppInterface(App[None]):
    """Attributes and methods of the app that screens use.

    A reactive of an app paints the whole terminal anew when it changes, unless `repaint=False`.
    """

    workspace: reactive[Path | None] = reactive(None, repaint=False)
    """The workspace's folder; None until the workspace is open."""
    runs: reactive[tuple[RunView, ...]] = reactive((), repaint=False)
    """All runs, as of the last read of the index."""
    is_read: reactive[bool] = reactive(False, repaint=False)
    """Whether the runs were read at least once."""
    failure: reactive[str] = reactive("", repaint=False)
    """Last error of reading the runs; shown in the empty table."""
    show_archived = False
    """Whether the list includes archived runs."""
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
        """Compare all runs of the pipeline of the current run."""

    @abstractmethod
    def read_soon(self) -> None:
        """Read the runs now, after an action that changes them."""
