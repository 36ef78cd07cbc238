"""The interface between runs and the screens and commands: `local` on this machine, later remote ones over ssh.

Only `refresh` waits; commands call it first, screens do not. A screen calls `changes` with the version of the last
answer, which costs time by the number of changed runs and not of all runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from db.views import IndexVersion

if TYPE_CHECKING:
    from app.backend.documents import LogDocument, QueueDocument, RunChanges, RunDocument, RunsDocument
    from app.comparing.comparison import ChainStep, Comparison
    from app.indexing.freshness import Lag
    from app.launching.pipelines import PipelineSummary
    from db.views import RunDetail, RunView
    from engine.contracts.attempt_records import Provenance
    from engine.contracts.spec import RunSpec
    from engine.pipelines.pipeline import Pipeline


class RunReader(Protocol):
    """Read access: no method starts a run or changes anything but the index.

    Every method raises YoloqatError if a run does not exist or the index cannot be read.
    """

    @property
    def path(self) -> Path:
        """The workspace's folder."""

    def refresh(self, run_ids: Collection[str] | None = None, *, wait_seconds: float | None = None) -> Lag | None:
        """Update the index; return how far it is behind if that takes longer than `wait_seconds`.

        Args:
            run_ids: the runs that must be current; all when None.
            wait_seconds: limit; 0 starts the indexer and returns at once, None is the default of commands.
        """

    def version(self) -> int:
        """Return a number that changes with the index; cheap enough for every second."""

    def changes(self, since: IndexVersion = ...) -> RunChanges:
        """Return the live runs, those changed since a version, and the ids of removed ones; all without a version."""

    def find(self, reference: str) -> str:
        """Find the id of a run by id, prefix of the id, or name."""

    def find_all(self, reference: str) -> list[str]:
        """Find the ids of all runs of a group, oldest first; of one run if no group has this name."""

    def detail(self, run_id: str, previous: RunDetail | None = None) -> RunDetail:
        """Return everything about one run.

        Args:
            previous: the answer before: epochs that have not changed since are not read again, but its objects.
        """

    def option_values(self, option: str) -> Mapping[str, str | float | None]:
        """Return the value of an option by run id, for the runs that have it."""

    def metric_values(self, key: str) -> Mapping[str, str | float | None]:
        """Return a metric of the best epoch or evaluation by run id, for the runs that have it."""

    def provenance(self, run_id: str) -> Provenance | None:
        """Return code and packages of the newest attempt; None if they were not recorded."""

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run."""

    def log(self, run_id: str, lines: int) -> tuple[str, ...]:
        """Return the last lines of the newest attempt's log, without terminal control sequences."""

    def log_stamp(self, run_id: str) -> tuple[int, int, int]:
        """Return attempt, size and modification time of the log, which change when it grows."""

    def compare(self, details: Sequence[RunDetail], baseline: str | None) -> Comparison:
        """Compare metrics and options of runs."""

    def lineage(self, details: Sequence[RunDetail]) -> list[ChainStep]:
        """Return the chain that the runs form; empty if they form none."""

    def noise(
        self, comparison: Comparison, chain: list[ChainStep], cancelled: Callable[[], bool] | None = None
    ) -> tuple[Comparison, list[ChainStep], int]:
        """Add the known noise intervals to both, and count the evaluations that still lack resampling.

        Args:
            cancelled: resample missing intervals, which takes seconds, until this returns true; None: do not resample.
        """

    def runs_document(self, *, archived: bool = False) -> RunsDocument:
        """Return the document of `ls --json`, newest run first, without archived runs unless `archived`."""

    def run_document(self, run_id: str) -> RunDocument:
        """Return the document of `show --json`."""

    def log_document(self, run_id: str, lines: int, attempt: int | None = None) -> LogDocument:
        """Return the document of `log --json`, of the newest attempt when None."""

    def queue_document(self) -> QueueDocument:
        """Return the document of `queue --json`."""


class Backend(RunReader, Protocol):
    """Read access, and every action on runs."""

    def follow(self) -> None:
        """Start the indexer if runs are live, and the runners that queued runs lack."""

    def stop(self, run_id: str, now: bool = False) -> None:
        """Ask the runner to stop the run; `now` skips to the next signal."""

    def annotate(self, run: RunView, name: str, tags: Sequence[str], notes: str) -> None:
        """Write the changed ones of a run's name, tags and note."""

    def archive(self, run_id: str, archived: bool) -> None:
        """Hide a run from the list, or show it again."""

    def delete(self, run_id: str) -> None:
        """Move a run into the trash."""

    def undelete(self) -> str:
        """Restore the run that was deleted last, and return its name."""

    def end_after_epoch(self, run_id: str) -> None:
        """Request the end of one of our trainings after its current epoch."""

    def pause(self, run_id: str) -> str:
        """Request the end of a run at a checkpoint, after which it is queued again, held; return what happens."""

    def resume(self, run_id: str) -> str:
        """Start the next attempt of a run; return from where, as text."""

    def import_path(self, path: Path) -> str:
        """Import a log, a run folder or a tree of them; return what is new, as text."""

    def watch(self, path: Path) -> str:
        """Watch a growing log; return the run's id."""

    def attach(self, pid: str) -> str:
        """Watch the log of a process; return the run's id."""

    def pipelines(self) -> list[PipelineSummary]:
        """List the pipelines that can be launched."""

    def pipeline(self, name: str) -> Pipeline:
        """Read and check one pipeline."""

    def plan(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        """Return the runs that a launch would start; writes nothing."""

    def launch(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        """Launch all runs of a pipeline."""

    def demo(self) -> list[RunSpec]:
        """Launch the demo."""
