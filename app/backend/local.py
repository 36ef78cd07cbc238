"""The backend of a workspace on this machine. May be called from threads; imports heavy modules on first use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.backend.documents import ListedRun, LogDocument, QueueDocument, RunChanges, RunDocument, RunsDocument
from app.following.log_tail import find_attempt, log_tail, tail
from app.indexing.freshness import Lag, refresh
from app.runs import reader
from app.workspace.run_names import find_id, find_ids, read_name
from db.views import NEVER, IndexVersion

if TYPE_CHECKING:
    from app.comparing.comparison import ChainStep, Comparison
    from app.launching.pipelines import PipelineSummary
    from db.views import RunDetail, RunView
    from engine.contracts.attempt_records import Provenance
    from engine.contracts.run_folder import Workspace
    from engine.contracts.spec import RunSpec
    from engine.pipelines.pipeline import Pipeline


class LocalBackend:
    """The services of one workspace on this machine: `app.backend.interface.Backend`."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @classmethod
    def open(cls, option: str | None, *, write: bool = False) -> LocalBackend:
        """Open the workspace.

        Args:
            option: `--workspace`.
            write: the caller changes something in it; one that cannot be written can still be read.

        Raises:
            YoloqatError: the workspace cannot be used.
        """
        from app.workspace.open import open_workspace

        return cls(open_workspace(option, write=write))

    @property
    def path(self) -> Path:
        """The workspace's folder."""
        return self.workspace.path

    def follow(self) -> None:
        """Start the indexer if runs are live, and the runners that queued runs lack."""
        from app.launching.requeue import requeue

        requeue(self.workspace)
        self.refresh(wait_seconds=0)

    def refresh(self, run_ids: Collection[str] | None = None, *, wait_seconds: float | None = None) -> Lag | None:
        """Update the index; return how far it is behind if that takes longer than `wait_seconds`."""
        return refresh(self.workspace, run_ids, wait_seconds=wait_seconds)

    def version(self) -> int:
        """Return a number that changes with the index; cheap."""
        return reader.data_version(self.workspace)

    def changes(self, since: IndexVersion = NEVER) -> RunChanges:
        """Return the runs that are live or have changed since a version, and the ids of removed ones."""
        return reader.runs_since(self.workspace, since)

    def find(self, reference: str) -> str:
        """Find the id of a run by id, prefix of the id, or name."""
        return find_id(self.workspace, reference)

    def find_all(self, reference: str) -> list[str]:
        """Find the ids of all runs of a group, oldest first; of one run if no group has this name."""
        return find_ids(self.workspace, reference)

    def detail(self, run_id: str, previous: RunDetail | None = None) -> RunDetail:
        """Return everything about one run."""
        return reader.get_detail(self.workspace, run_id, wait_seconds=0, previous=previous)

    def option_values(self, option: str) -> Mapping[str, str | float | None]:
        """Return the value of an option by run id, for the runs that have it."""
        return reader.option_values(self.workspace, option)

    def metric_values(self, key: str) -> Mapping[str, str | float | None]:
        """Return a metric of the best epoch or evaluation by run id, for the runs that have it."""
        return reader.metric_values(self.workspace, key)

    def provenance(self, run_id: str) -> Provenance | None:
        """Return code and packages of the newest attempt; None if they were not recorded."""
        return reader.provenance(self.workspace, run_id)

    def folder(self, run_id: str) -> Path:
        """Return the folder of a run."""
        return self.workspace.run(run_id).path

    def log(self, run_id: str, lines: int) -> tuple[str, ...]:
        """Return the last lines of the newest attempt's log, without terminal control sequences."""
        return tuple(log_tail(self.workspace, run_id, lines=lines))

    def log_stamp(self, run_id: str) -> tuple[int, int, int]:
        """Return attempt, size and modification time of the log, which change when it grows."""
        attempts = self.workspace.run(run_id).attempts()
        if not attempts:
            return (0, 0, 0)
        try:
            console_stat = attempts[-1].console.stat()
        except OSError:
            return (attempts[-1].number, 0, 0)
        return (attempts[-1].number, console_stat.st_size, console_stat.st_mtime_ns)

    def runs_document(self, *, archived: bool = False) -> RunsDocument:
        """Return the document of `ls --json`."""
        changes = self.changes()
        runs = reader.newest_first(changes.runs, archived=archived)
        tails = reader.log_tails(self.workspace, runs)
        listed = tuple(ListedRun(**vars(run), log_tail=tails[run.id]) for run in runs)
        return RunsDocument(workspace=self.path, version=changes.version, runs=listed)

    def run_document(self, run_id: str) -> RunDocument:
        """Return the document of `show --json`."""
        detail, provenance = self.detail(run_id), self.provenance(run_id)
        provenance_document = provenance.model_dump(mode="json") if provenance is not None else None
        return RunDocument(**vars(detail), workspace=self.path, provenance=provenance_document)

    def log_document(self, run_id: str, lines: int, attempt: int | None = None) -> LogDocument:
        """Return the document of `log --json`, of the newest attempt when None."""
        folder = find_attempt(self.workspace, run_id, attempt)
        return LogDocument(
            id=run_id,
            name=read_name(self.workspace.run(run_id)).name,
            attempt=folder.number if folder else None,
            lines=tail(folder.console, lines) if folder else [],
        )

    def queue_document(self) -> QueueDocument:
        """Return the document of `queue --json`."""
        from app.launching.queue import leases_here, queued_runs

        return QueueDocument(workspace=self.path, queue=queued_runs(self.workspace), leases=leases_here())

    def stop(self, run_id: str, now: bool = False) -> None:
        """Ask the runner to stop the run; `now` skips to the next signal."""
        from app.launching.stop import stop_run

        stop_run(self.workspace, run_id, now=now)

    def annotate(self, run: RunView, name: str, tags: Sequence[str], notes: str) -> None:
        """Write the changed ones of a run's name, tags and note."""
        from app.runs.annotations import note_run, rename_run, tag_run

        if name != run.name:
            rename_run(self.workspace, run.id, name)
        if tuple(tags) != run.tags:
            tag_run(self.workspace, run.id, tags, [tag for tag in run.tags if tag not in tags])
        if notes != run.notes:
            note_run(self.workspace, run.id, notes)

    def archive(self, run_id: str, archived: bool) -> None:
        """Hide a run from the list, or show it again."""
        from app.runs.annotations import archive_run

        archive_run(self.workspace, run_id, archived)

    def delete(self, run_id: str) -> None:
        """Move a run into the trash."""
        from app.runs.trash import delete_runs

        delete_runs(self.workspace, [run_id])

    def undelete(self) -> str:
        """Restore the run that was deleted last, and return its name."""
        from app.runs.trash import undelete_runs

        return undelete_runs(self.workspace)[0].name

    def end_after_epoch(self, run_id: str) -> None:
        """Request the end of one of our trainings after its current epoch."""
        from app.launching.stop import end_after_epoch

        end_after_epoch(self.workspace, run_id)

    def pause(self, run_id: str) -> str:
        """Request the end of a run at a checkpoint, after which it is queued again, held; return what happens."""
        from app.launching.stop import pause_run

        return pause_run(self.workspace, run_id)

    def resume(self, run_id: str) -> str:
        """Start the next attempt of a run; return from where, as text."""
        from app.launching.resume import resume_run

        resumed = resume_run(self.workspace, run_id)
        where = f"resumes from {resumed.checkpoint.name}" if resumed.checkpoint else "starts from the beginning"
        return f"{resumed.name}: attempt {resumed.attempt} {where}"

    def import_path(self, path: Path) -> str:
        """Import a log, a run folder or a tree of them; return what is new, as text."""
        from app.importing.import_logs import import_paths

        return import_paths(self.workspace, [path]).sentence

    def watch(self, path: Path) -> str:
        """Watch a growing log; return the run's id."""
        from app.importing.watch import watch_log

        return watch_log(self.workspace, path).run_id

    def attach(self, pid: str) -> str:
        """Watch the log of a process; return the run's id."""
        from app.importing.watch import attach
        from engine.contracts.errors import YoloqatError

        if not (pid.isascii() and pid.isdigit()):
            raise YoloqatError(f"{pid!r} is not a valid PID", hint="`ps -ef` lists the processes.")
        return attach(self.workspace, int(pid)).run_id

    def pipelines(self) -> list[PipelineSummary]:
        """List the pipelines that can be launched."""
        from app.launching.pipelines import list_pipelines

        return list_pipelines()

    def pipeline(self, name: str) -> Pipeline:
        """Read and check one pipeline."""
        from app.launching.pipelines import load_pipeline

        return load_pipeline(name)

    def plan(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        """Return the runs that a launch would start; writes nothing."""
        from app.launching.pipelines import plan_pipeline

        return plan_pipeline(self.workspace, pipeline, values, name=name)

    def launch(self, pipeline: Pipeline, values: Mapping[str, Any], name: str | None = None) -> list[RunSpec]:
        """Launch all runs of a pipeline."""
        from app.launching.pipelines import launch_pipeline

        return launch_pipeline(self.workspace, pipeline, values, name=name)

    def compare(self, details: Sequence[RunDetail], baseline: str | None) -> Comparison:
        """Compare metrics and options of runs."""
        from app.comparing.comparison import compare

        return compare(details, baseline)

    def lineage(self, details: Sequence[RunDetail]) -> list[ChainStep]:
        """Return the chain that the runs form; empty if they form none."""
        from app.comparing.comparison import lineage

        return lineage(details)

    def noise(
        self, comparison: Comparison, chain: list[ChainStep], cancelled: Callable[[], bool] | None = None
    ) -> tuple[Comparison, list[ChainStep], int]:
        """Add the known noise intervals to both, and count the evaluations that still lack resampling.

        Args:
            cancelled: resample missing intervals, which takes seconds, until this returns true; None: do not resample.
        """
        from app.comparing.noise_intervals import compared_pairs, count_unsampled, intervals, with_noise

        pairs = compared_pairs(comparison, chain)
        if cancelled is None:
            stored_intervals = intervals(self.workspace, pairs, resample=False)
            return *with_noise(comparison, chain, stored_intervals), count_unsampled(self.workspace, pairs)
        return *with_noise(comparison, chain, intervals(self.workspace, pairs, cancelled=cancelled)), 0

    def demo(self) -> list[RunSpec]:
        """Launch the demo."""
        from app.backend.demo import launch_demo

        return launch_demo(self.workspace)
