"""What takes the space of a workspace: checkpoints, exports and logs of each run, trash, caches and the index."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.workspace.run_names import RunName, run_names
from engine.contracts.run_folder import Workspace

CHECKPOINTS, EXPORTS, LOGS, OTHER = "checkpoints", "exports", "logs", "other"
KINDS = (CHECKPOINTS, EXPORTS, LOGS, OTHER)
BLOCK_BYTES = 512
"""Unit of `st_blocks`, on every file system."""


@dataclass(frozen=True)
class RunUse:
    """What one run takes, in bytes on the disk."""

    run: RunName
    bytes_by_kind: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.bytes_by_kind.values())


@dataclass(frozen=True)
class WorkspaceUse:
    """What a workspace takes, in bytes on the disk."""

    runs: list[RunUse]
    """Largest first."""
    trash: int
    caches: int
    index: int
    other: int

    @property
    def total(self) -> int:
        return sum(run.total for run in self.runs) + self.trash + self.caches + self.index + self.other


@dataclass
class _Counter:
    """Counts each file once, however many hard links it has."""

    counted: set[tuple[int, int]] = field(default_factory=set)

    def take(self, status: os.stat_result) -> int:
        if status.st_nlink > 1:
            file = (status.st_dev, status.st_ino)
            if file in self.counted:
                return 0
            self.counted.add(file)
        return status.st_blocks * BLOCK_BYTES

    def tree(self, path: str) -> int:
        return sum(self.take(status) for _, status in files_below(path))


def disk_use(workspace: Workspace) -> WorkspaceUse:
    """Measure a workspace. Links are counted as links: what they lead to is not in the workspace."""
    workspace = Workspace(Path(os.path.realpath(workspace.path)), workspace.origin)
    counter = _Counter()
    names = {run.id: run for run in run_names(workspace)}
    runs = [_run_use(run, f"{workspace.runs}/{run_id}", counter) for run_id, run in names.items()]
    places = {str(workspace.trash): 0, str(workspace.noise): 0}
    for place in places:
        places[place] = counter.tree(place)
    index = other = 0
    for path, status in files_below(str(workspace.path), without=(str(workspace.runs), *places)):
        if os.path.basename(path).startswith(workspace.database.name):
            index += counter.take(status)
        else:
            other += counter.take(status)
    other += sum(counter.tree(f"{workspace.runs}/{name}") for name in workspace.folder_names() if name not in names)
    runs.sort(key=lambda run: (-run.total, run.run.id))
    return WorkspaceUse(runs, places[str(workspace.trash)], places[str(workspace.noise)], index, other)


def files_below(path: str, *, without: tuple[str, ...] = ()) -> Iterator[tuple[str, os.stat_result]]:
    """All but folders below a folder, links as themselves; nothing where it is a link or cannot be read."""
    folders = [] if os.path.islink(path) else [path]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if not entry.is_dir(follow_symlinks=False):
                    yield entry.path, entry.stat(follow_symlinks=False)
                elif entry.path not in without:
                    folders.append(entry.path)
            except OSError:  # deleted meanwhile
                continue


def _run_use(run: RunName, folder: str, counter: _Counter) -> RunUse:
    bytes_by_kind = dict.fromkeys(KINDS, 0)
    for path, status in files_below(folder):
        bytes_by_kind[_kind(path[len(folder) + 1 :])] += counter.take(status)
    return RunUse(run, bytes_by_kind)


def _kind(path: str) -> str:
    """The kind of a file, by its path in the folder of its run."""
    top = path.partition("/")[0]
    if top == "weights" or path.endswith((".pt", ".pth")):
        return CHECKPOINTS
    if top == "export" or path.endswith(".onnx"):
        return EXPORTS
    return LOGS if top == "attempts" else OTHER
