"""The JSON documents of `--json` as dataclasses, one per command, each with the version of its schema.

A new key keeps the version; a removed key or a changed meaning raises it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.runs.reader import RunChanges
from db.views import IndexVersion, RunDetail, RunView

if TYPE_CHECKING:
    from app.launching.queue import LeaseView, QueuedRun

__all__ = ["ListedRun", "LogDocument", "QueueDocument", "RunChanges", "RunDocument", "RunsDocument"]


@dataclass(frozen=True, kw_only=True)
class ListedRun(RunView):
    """A run of the list, with the last lines of its log."""

    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunsDocument:
    """`yoloqat ls --json`."""

    schema: int = 1
    workspace: Path
    version: IndexVersion
    """The version to request later changes with."""
    runs: tuple[ListedRun, ...]


@dataclass(frozen=True, kw_only=True)
class RunDocument(RunDetail):
    """`yoloqat show --json`: everything about a run, and its provenance."""

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
    """`yoloqat queue --json`: the queue of the workspace in its order, and the leases of all workspaces."""

    schema: int = 1
    workspace: Path
    queue: Sequence[QueuedRun]
    leases: Sequence[LeaseView]
