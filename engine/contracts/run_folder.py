"""Where things lie inside a workspace and a run folder. Paths only: nothing here reads or writes."""

import os
from dataclasses import dataclass
from pathlib import Path

from engine.contracts.index_folder import index_folder


@dataclass(frozen=True)
class AttemptFolder:
    """`attempts/<n>/`: one start of a run. The console log is raw bytes and is never rewritten."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def launch(self) -> Path:
        """What the runner is to do; written by the launcher before the runner starts."""
        return self.path / "launch.json"

    @property
    def process(self) -> Path:
        """Identity and provenance of runner and stage; written by the runner before the stage starts."""
        return self.path / "process.json"

    @property
    def outcome(self) -> Path:
        return self.path / "outcome.json"

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    @property
    def waiting(self) -> Path:
        """Why a queued runner waits, in words."""
        return self.path / "waiting.json"

    @property
    def queue(self) -> Path:
        """Where the run stands in line, and whether it is held; may change as long as it waits."""
        return self.path / "queue.json"

    @property
    def stop_request(self) -> Path:
        return self.path / "stop.json"

    @property
    def pause(self) -> Path:
        """There while it is asked to end at a checkpoint and to be queued again."""
        return self.path / "pause.json"

    @property
    def retry(self) -> Path:
        """There while the runner of an attempt that has ended finds out whether another one follows."""
        return self.path / "retry.json"

    @property
    def stopping(self) -> Path:
        """How far the runner has come with a stop: the signal sent, and when the next one follows."""
        return self.path / "stopping.json"

    @property
    def system(self) -> Path:
        return self.path / "system.jsonl"

    @property
    def watch(self) -> Path:
        """Which file the console is a copy of, and who writes it; only there where the process was not started here."""
        return self.path / "watch.json"

    @property
    def slurm(self) -> Path:
        """Which job of Slurm this attempt is; not there for a run on this machine."""
        return self.path / "slurm.json"

    @property
    def slurm_end(self) -> Path:
        """What Slurm said of the job once it had ended."""
        return self.path / "slurm-end.json"


@dataclass(frozen=True)
class RunFolder:
    """`<workspace>/runs/<id>/`: everything about one run. The id never changes; the name is a label."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def spec(self) -> Path:
        return self.path / "spec.yaml"

    @property
    def is_run(self) -> bool:
        """Whether something is called `spec.yaml`, be that damaged or no file: a folder without is only being made."""
        return os.path.lexists(self.spec)

    @property
    def user(self) -> Path:
        """What people said about the run: name, tags, notes, archived."""
        return self.path / "user.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def imported(self) -> Path:
        """Which files it was read from; only there for a run that was not launched here."""
        return self.path / "import.json"

    @property
    def stop_after_epoch(self) -> Path:
        """There while one of our trainings is asked to end after the epoch that it is in."""
        return self.path / "stop-after-epoch"

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    @property
    def export(self) -> Path:
        return self.path / "export"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    def attempt(self, number: int) -> AttemptFolder:
        return AttemptFolder(self.path / "attempts" / str(number))

    def attempts(self) -> list[AttemptFolder]:
        """All attempts, oldest first."""
        parent = self.path / "attempts"
        if not parent.is_dir():
            return []
        return [
            AttemptFolder(p)
            for p in sorted((p for p in parent.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
        ]


@dataclass(frozen=True)
class Workspace:
    """The folder that holds all runs and the index of them."""

    path: Path
    origin: str = "given"
    """Where the choice came from, for the line that every command prints: an option, a variable, the default."""

    @property
    def index_folder(self) -> Path:
        """The folder of the index: this one, or one in the user's cache if this one cannot or must not be written."""
        return index_folder(str(self.path))

    @property
    def database(self) -> Path:
        return self.index_folder / "yoloqat.db"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def trash(self) -> Path:
        """Folders of deleted runs, until the trash is emptied."""
        return self.path / "trash"

    @property
    def noise(self) -> Path:
        """Intervals of differences between evaluations: may be deleted, and is resampled then."""
        return self.index_folder / "noise"

    @property
    def slurm_jobs(self) -> Path:
        """What Slurm said last of all jobs: asked by one process, read by all."""
        return self.index_folder / "slurm-jobs.json"

    @property
    def indexer_lock(self) -> Path:
        return self.index_folder / "indexer.lock"

    @property
    def indexer_log(self) -> Path:
        return self.index_folder / "indexer.log"

    @property
    def indexer_record(self) -> Path:
        """Which process holds the lock, and of what version it is."""
        return self.index_folder / "indexer.json"

    def run(self, run_id: str) -> RunFolder:
        return RunFolder(self.runs / run_id)

    def run_folders(self) -> list[RunFolder]:
        """Every run folder that has a `spec.yaml`, be that damaged or no file, in no particular order."""
        return [self.run(name) for name in self.folder_names() if os.path.lexists(f"{self.runs}/{name}/spec.yaml")]

    def folder_names(self) -> list[str]:
        """The names of all folders of runs, of those that are only being made, too."""
        try:
            return os.listdir(self.runs)
        except OSError:
            return []
