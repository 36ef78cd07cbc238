"""What `--json` prints, as dataclasses: one document per question, each with the version of its shape.

Keys may be added within a version; one that goes or changes its meaning raises it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.runs.reader import RunChanges
from db.reading.index import IndexVersion
from db.views import RunDetail, RunView

if TYPE_CHECKING:
    from app.launching.queue import LeaseView, QueuedRun

__all__ = ["ListedRun", "LogDocument", "QueueDocument", "RunChanges", "RunDocument", "RunsDocument"]


@dataclass(frozen=True, kw_only=True)
class ListedRun(RunView):
    """A run of the list, with what its log said last."""

    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunsDocument:
    """`yoloqat ls --json`."""

    schema: int = 1
    workspace: Path
    version: IndexVersion
    """To ask for the changes since then with."""
    runs: tuple[ListedRun, ...]


@dataclass(frozen=True, kw_only=True)
class RunDocument(RunDetail):
    """`yoloqat show --json`: all of the run, and what it started from."""

    schema: int = 1
    workspace: Path
    provenance: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class LogDocument:
    """`yoloqat log --json`."""

    schema: int = 1
    id: str
    name: str
    attempt: int | None
    """None for a run that was never started."""
    lines: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class QueueDocument:
    """`yoloqat queue --json`: what waits here, first in line first, and who has a device in whatever workspace."""

    schema: int = 1
    workspace: Path
    queue: Sequence[QueuedRun]
    leases: Sequence[LeaseView]
