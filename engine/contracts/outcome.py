"""`outcome.json`: how an attempt ended. Written atomically by the runner."""

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
    """Stopped before the stage started."""
    ENDED = "ended"
    """Stopped after its runner was lost: the exit code is unknown."""
    OUTLIVED = "outlived"
    """The command exited with 0 and left processes running, which have ended since."""
    HANDED_OVER = "handed over"
    """The command exited with 0, after it had handed its work to a server outside of the run."""
    LOST = "lost"
    """Runner and stage vanished without a record, such as when a cluster node failed."""


class Outcome(BaseModel):
    """How an attempt ended. Ignores fields that a later version adds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: int = 1
    kind: OutcomeKind
    exit_code: int | None = None
    signal: int | None = None
    stop_requested: bool = False
    """A stop was in progress when the stage ended."""
    missing_artifacts: list[str] = Field(default_factory=list)
    """Required artifacts that do not exist, relative to the run folder."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    """Wall-clock time in UTC."""
    seconds: float | None = None
    """Duration of the stage, by the monotonic clock."""
    peak_rss_bytes: int | None = None
    """Peak of the largest single process."""
    oom_kill: bool = False
    """The kernel killed the stage for lack of memory."""
    oom_kills: int = 0
    """Processes of this memory cgroup that the kernel killed for lack of memory during the attempt, ours or not."""
    leftovers: int = 0
    """Number of processes that outlived the stage and were then ended."""
    handed_to: str = ""
    """Servers outside of the run to which its command handed work: `tmux 812`; empty for none."""
    stuck: list[int] = Field(default_factory=list)
    """PIDs that survived SIGKILL."""
    time_limit: bool = False
    """The cluster's time limit was reached."""
    reason: str = ""

    @classmethod
    def read(cls, path: Path) -> "Outcome | None":
        """Return the outcome, or None when the file is missing or invalid."""
        try:
            return cls.model_validate_json(read_regular(path))
        except (OSError, ValueError):
            return None
