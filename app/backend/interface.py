"""What screens and commands ask for, wherever the runs are: this machine (`local`), later another one over ssh.

Reading never waits but in `refresh`, which commands call first and screens do not. Whoever shows runs for longer asks
`changes` with the version of the last answer: it costs what has changed, not what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from db.reading.index import IndexVersion

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
    """Questions. None of them starts a run or changes anything but the index.

    Every method raises YoloqatError where a run isn't there or the index cannot be used.
    """

    @property
    def path(self) -> Path:
        """The workspace's folder."""

    def refresh(self, run_ids: Collection[str] | None = None, *, wait_seconds: float | None = None) -> Lag | None:
        """See to it that the index is current; how far it is behind, when that takes longer than `wait_seconds`.

        Args:
            run_ids: the runs that matter; all when None.
            wait_seconds: at most; 0 asks for the indexer and goes on, None is what commands wait.
        """

    def version(self) -> int:
        """A number that changes when the index does; cheap enough to ask for every second."""

    def changes(self, since: IndexVersion = ...) -> RunChanges:
        """The runs that have changed since a version or live, and those that are gone; all of them without one."""

    def find(self, reference: str) -> str:
        """The id of the run that is meant by an id, the beginning of one, or a name."""

    def find_all(self, reference: str) -> list[str]:
        """The ids of all runs of a group, oldest first; of one run where no group has this name."""

    def detail(self, run_id: str) -> RunDetail:
        """Everything about one run."""

    def provenance(self, run_id: str) -> Provenance | None:
        """Code and packages that the newest attempt started from; None when nobody wrote them down."""

    def folder(self, run_id: str) -> Path:
        """Where the files of a run lie."""

    def log(self, run_id: str, lines: int) -> tuple[str, ...]:
        """The last lines of the newest attempt's log, without terminal control sequences."""

    def log_stamp(self, run_id: str) -> tuple[int, int, int]:
        """Attempt, size and time of the log: changes when there is something new to read."""

    def compare(self, details: Sequence[RunDetail], baseline: str | None) -> Comparison:
        """Metrics and options side by side."""

    def lineage(self, details: Sequence[RunDetail]) -> list[ChainStep]:
        """The chain that the runs form, or nothing."""

    def noise(
        self, comparison: Comparison, chain: list[ChainStep], cancelled: Callable[[], bool] | None = None
    ) -> tuple[Comparison, list[ChainStep], int]:
        """The same with what is known of the noise of differences, and of how many evaluations it is not known yet.

        Args:
            cancelled: resample for what is not known, which takes seconds, until this is true; None does not.
        """

    def runs_document(self, *, archived: bool = False) -> RunsDocument:
        """`ls --json`: newest first; archived runs only where they are asked for."""

    def run_document(self, run_id: str) -> RunDocument:
        """`show --json`."""

    def log_document(self, run_id: str, lines: int, attempt: int | None = None) -> LogDocument:
        """`log --json`, of the newest attempt when None."""

    def queue_document(self) -> QueueDocument:
        """`queue --json`."""


class Backend(RunReader, Protocol):
    """Questions, and all that can be asked of runs."""

    def follow(self) -> None:
        """See to it that live runs have an indexer, and that what is queued has a runner."""

    def stop(self, run_id: str, now: bool = False) -> None:
        """Ask the runner to stop the run; `now` skips to the next signal."""

    def annotate(self, run: RunView, name: str, tags: Sequence[str], notes: str) -> None:
        """Write what has changed of a run's name, tags and note."""

    def archive(self, run_id: str, archived: bool) -> None:
        """Take a run out of the list, or put it back."""

    def delete(self, run_id: str) -> None:
        """Move a run into the trash."""

    def undelete(self) -> str:
        """Bring back the run that was deleted last; its name."""

    def end_after_epoch(self, run_id: str) -> None:
        """Ask a training of ours to end once the epoch that it is in is saved."""

    def pause(self, run_id: str) -> str:
        """Ask a run for its end at a checkpoint, after which it is queued again, held; what was asked, in words."""

    def resume(self, run_id: str) -> str:
        """Start the next attempt of a run; says where it goes on."""

    def import_path(self, path: Path) -> str:
        """Import a log, a folder of a run or a tree of them; says what is new."""

    def watch(self, path: Path) -> str:
        """Follow a growing log; the run's id."""

    def attach(self, pid: str) -> str:
        """Follow the log of a process; the run's id."""

    def pipelines(self) -> list[PipelineSummary]:
        """The pipelines that can be launched."""

    def pipeline(self, name: str) -> Pipeline:
        """One pipeline, checked as a whole."""

    def plan(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        """The runs that a launch would start; nothing is written."""

    def launch(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        """Launch all runs of a pipeline."""

    def demo(self) -> list[RunSpec]:
        """Launch the demo."""
