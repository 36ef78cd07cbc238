"""What the parts of the screen tell each other about the world: facts, in the past tense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from db.views import RunDetail, RunView
from engine.contracts.errors import YoloqatError

if TYPE_CHECKING:
    from engine.contracts.attempt_records import Provenance


class RunsRead(Message):
    """The table of runs was read, and is not what it was."""

    def __init__(self, runs: tuple[RunView, ...]) -> None:
        super().__init__()
        self.runs = runs

    def can_replace(self, message: Message) -> bool:
        """Only the latest table matters."""
        return isinstance(message, RunsRead)


class DetailRead(Message):
    """One run was read, and is not what it was."""

    def __init__(self, detail: RunDetail, provenance: Provenance | None = None) -> None:
        super().__init__()
        self.detail = detail
        self.provenance = provenance

    def can_replace(self, message: Message) -> bool:
        """Only the latest state of the same run matters."""
        return isinstance(message, DetailRead) and message.detail.run.id == self.detail.run.id


class LogRead(Message):
    """The end of a run's log was read, and is not what it was."""

    def __init__(self, run_id: str, lines: tuple[str, ...]) -> None:
        super().__init__()
        self.run_id = run_id
        self.lines = lines

    def can_replace(self, message: Message) -> bool:
        """Only the latest end matters."""
        return isinstance(message, LogRead) and message.run_id == self.run_id


class CallFailed(Message):
    """Something that was asked for could not be done; the error says what, where, and what to do."""

    def __init__(self, error: YoloqatError, *, once: bool = False) -> None:
        """`once`: nobody asked for it just now, so it is told a single time."""
        super().__init__()
        self.error = error
        self.once = once


class RunEnded(Message):
    """A run that was live has come to its end while the screen was open."""

    def __init__(self, run: RunView) -> None:
        super().__init__()
        self.run = run
