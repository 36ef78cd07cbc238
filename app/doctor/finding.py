"""What a check of the machine has found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing."""

    level: Level
    check: str
    """What was looked at, in a word or two."""
    text: str
    """What was found."""
    hint: str = ""
    """What to do; empty where there is nothing to do."""
