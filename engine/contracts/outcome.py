"""`outcome.json`: how an attempt ended. Written by the runner, whole or not at all."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from engine.files.safe_open import read_regular


class OutcomeKind(StrEnum):
    EXITED = "exited"
    SIGNALED = "signaled"
    COULD_NOT_START = "could not start"
    DEPENDENCY_FAILED = "dependency failed"
    CANCELLED = "cancelled"
    """Stopped before the stage had started."""
    ENDED = "ended"
    """Stopped after its runner was lost: the exit code is unknown."""
    OUTLIVED = "outlived"
    """The command ended with exit code 0 and left work running, which has ended since."""
    LOST = "lost"
    """A node of a cluster failed, or whatever else took runner and stage without a word."""


class Outcome(BaseModel):
    """The end of an attempt. Fields that a later version adds are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: int = 1
    kind: OutcomeKind
    exit_code: int | None = None
    signal: int | None = None
    stop_requested: bool = False
    """A stop was in progress when the stage ended."""
    missing_artifacts: list[str] = Field(default_factory=list)
    """Promised files that are not there, relative to the run folder."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    """UTC, by the wall clock."""
    seconds: float | None = None
    """From start to end of the stage, by the monotonic clock."""
    peak_rss_bytes: int | None = None
    """Of the largest single process."""
    oom_kill: bool = False
    """The kernel killed the stage for lack of memory."""
    oom_kills: int = 0
    """Processes of this memory cgroup that the kernel killed for lack of memory meanwhile, ours or not."""
    leftovers: int = 0
    """Processes that the stage left behind and that were ended after it."""
    stuck: list[int] = Field(default_factory=list)
    """Pids that not even SIGKILL removed."""
    time_limit: bool = False
    """The time that a cluster gives it was over."""
    reason: str = ""

    @classmethod
    def read(cls, path: Path) -> "Outcome | None":
        """The outcome, or None when there is none that can be read."""
        try:
            return cls.model_validate_json(read_regular(path))
        except (OSError, ValueError):
            return None
