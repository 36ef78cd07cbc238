"""Messages between parts of the screen, named for what has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from db.views import RunDetail, RunView
from engine.contracts.errors import YoloqatError

if TYPE_CHECKING:
    from engine.contracts.attempt_records import Provenance


class RunsRead(Message):
    """The run list was refreshed and has changed."""

    def __init__(self, runs: tuple[RunView, ...]) -> None:
        super().__init__()
        self.runs = runs

    def can_replace(self, message: Message) -> bool:
        """Whether the message is an older run list, which is obsolete."""
        return isinstance(message, RunsRead)


class DetailRead(Message):
    """The details of a run were refreshed and have changed."""

    def __init__(self, detail: RunDetail, provenance: Provenance | None = None) -> None:
        super().__init__()
        self.detail = detail
        self.provenance = provenance

    def can_replace(self, message: Message) -> bool:
        """Whether the message is an older state of the same run, which is obsolete."""
        return isinstance(message, DetailRead) and message.detail.run.id == self.detail.run.id


class LogRead(Message):
    """The last lines of a run's log were refreshed and have changed."""

    def __init__(self, run_id: str, lines: tuple[str, ...]) -> None:
        super().__init__()
        self.run_id = run_id
        self.lines = lines

    def can_replace(self, message: Message) -> bool:
        """Whether the message is an older tail of the same log, which is obsolete."""
        return isinstance(message, LogRead) and message.run_id == self.run_id


class CallFailed(Message):
    """A call to the backend failed."""

    def __init__(self, error: YoloqatError, *, once: bool = False) -> None:
        """`once`: a background call, whose error is shown only the first time."""
        super().__init__()
        self.error = error
        self.once = once


class RunEnded(Message):
    """A live run has ended."""

    def __init__(self, run: RunView) -> None:
        super().__init__()
        self.run = run
