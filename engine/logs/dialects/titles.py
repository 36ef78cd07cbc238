"""What stands above the rows of a log: whose titles were printed last, and how they name the fields."""

from dataclasses import dataclass
from typing import Protocol

from engine.logs.lexer.tokens import Token


@dataclass(frozen=True, slots=True)
class Titles:
    """The titles that the next rows stand under."""

    dialect: str | None = None
    """None before the first ones."""
    columns: tuple[str, ...] | None = None
    """Of a training row, after the epoch."""
    metrics: tuple[str, ...] | None = None
    """Of a validation's row, after the counts; None where the dialect has but one order."""


class Dialect(Protocol):
    """A module that reads what one kind of trainer prints. Nothing of it ever raises."""

    NAME: str
    VERIFIED: bool
    """Whether logs of the trainer itself were read, and not only samples written after its documentation."""

    def read(self, text: str, titles: Titles) -> list[Token]:
        """The tokens of a line of a log whose last titles were of this dialect; empty when it is not understood.

        Args:
            text: the line without escape sequences.
            titles: the last ones, or none yet where the dialect also reads what stands before them.
        """

    def read_titles(self, text: str) -> list[Token]:
        """The tokens of a line that makes what follows rows of this dialect; empty for any other line."""
