"""Paths inside a workspace and a run folder. Nothing here reads or writes file contents."""

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
        """Instructions for the runner; written by the launcher before the runner starts."""
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
        """Why a queued run waits."""
        return self.path / "waiting.json"

    @property
    def queue(self) -> Path:
        """Place in the queue, and whether the run is held; may change while it waits."""
        return self.path / "queue.json"

    @property
    def stop_request(self) -> Path:
        return self.path / "stop.json"

    @property
    def pause(self) -> Path:
        """Exists while a pause is requested."""
        return self.path / "pause.json"

    @property
    def retry(self) -> Path:
        """Exists while the runner of an ended attempt decides whether to retry."""
        return self.path / "retry.json"

    @property
    def stopping(self) -> Path:
        """Progress of a stop: the signal sent, and when the next one follows."""
        return self.path / "stopping.json"

    @property
    def system(self) -> Path:
        return self.path / "system.jsonl"

    @property
    def outside_lease(self) -> Path:
        """GPUs outside of the lease on which a process of the run was seen; missing if there were none."""
        return self.path / "outside-lease.json"

    @property
    def cidfile(self) -> Path:
        """Id of the container, written by a `docker run` that is the command; missing for other commands."""
        return self.path / "container.cid"

    @property
    def containers(self) -> Path:
        """Ids of the containers that clients in the foreground wait for."""
        return self.path / "containers.json"

    @property
    def watch(self) -> Path:
        """Source of the console's copy and its writer; exists only for watched runs."""
        return self.path / "watch.json"

    @property
    def slurm(self) -> Path:
        """The Slurm job of this attempt; missing for a run on this machine."""
        return self.path / "slurm.json"

    @property
    def slurm_end(self) -> Path:
        """Final state of the Slurm job."""
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
        """Whether an entry `spec.yaml` exists, even if damaged or not a file; without one it is still being created."""
        return os.path.lexists(self.spec)

    @property
    def user(self) -> Path:
        """Annotations: name, tags, notes, archived."""
        return self.path / "user.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def imported(self) -> Path:
        """Source files; exists only for imported and watched runs."""
        return self.path / "import.json"

    @property
    def stop_after_epoch(self) -> Path:
        """Exists while one of our trainings is requested to end after its current epoch."""
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
        """Return all attempts, oldest first."""
        parent = self.path / "attempts"
        if not parent.is_dir():
            return []
        return [
            AttemptFolder(p)
            for p in sorted((p for p in parent.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
        ]


@dataclass(frozen=True)
class Workspace:
    """The folder that holds all runs and their index."""

    path: Path
    origin: str = "given"
    """Why this workspace was chosen (option, variable, default); every command prints it."""

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
        """Cache of the intervals of differences between evaluations; may be deleted."""
        return self.index_folder / "noise"

    @property
    def slurm_jobs(self) -> Path:
        """Latest state of all Slurm jobs: written by one process, read by all."""
        return self.index_folder / "slurm-jobs.json"

    @property
    def indexer_lock(self) -> Path:
        return self.index_folder / "indexer.lock"

    @property
    def indexer_log(self) -> Path:
        return self.index_folder / "indexer.log"

    @property
    def indexer_record(self) -> Path:
        """Process that holds the lock, and its version."""
        return self.index_folder / "indexer.json"

    def run(self, run_id: str) -> RunFolder:
        return RunFolder(self.runs / run_id)

    def run_folders(self) -> list[RunFolder]:
        """Return every folder with an entry `spec.yaml`, even if damaged or not a file, unordered."""
        return [self.run(name) for name in self.folder_names() if os.path.lexists(f"{self.runs}/{name}/spec.yaml")]

    def folder_names(self) -> list[str]:
        """Return the names of all run folders, including those still being created."""
        try:
            return os.listdir(self.runs)
        except OSError:
            return []
