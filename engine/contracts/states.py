"""The states of a run. A state is decided by process identity and `outcome.json`, never by missing output."""

from enum import StrEnum


class RunState(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    KILLED = "killed"
    OUT_OF_MEMORY = "out of memory"
    STOPPED = "stopped"
    ENDED = "ended"
    """The process is gone and its exit code cannot be known (adopted, watched or imported)."""
    LOST = "lost"
    """The process is gone without an outcome, and the machine rebooted or the log stops in the middle."""
    COULD_NOT_START = "could not start"
    DEPENDENCY_FAILED = "dependency failed"

    @property
    def is_live(self) -> bool:
        """Whether a process of the run exists or will be started."""
        return self in _LIVE


_LIVE = frozenset({RunState.QUEUED, RunState.STARTING, RunState.RUNNING})

AFTER_EPOCH = "ends after this epoch"
AT_CHECKPOINT = "ends at its next checkpoint"
"""Descriptions of stops in progress that have sent no signal yet."""
