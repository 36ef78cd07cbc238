"""What can go from a workspace without loss: checkpoints that nobody resumes from, caches, old indexes, the trash.

Nothing of a live run is touched, and no link is followed: folders are opened one inside the other, without links.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.runs.disk_use import BLOCK_BYTES, files_below
from app.runs.trash import empty_trash, trashed_runs
from app.workspace.run_names import lock_launches, read_name
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.states import RunState
from engine.files.safe_open import YAML_BYTES, read_head
from engine.supervise.state.has_ended import has_plainly_ended

_NAME = re.compile(rb"[\w.-]+")
_LAST, _BEST = "last.pt", "best.pt"


@dataclass(frozen=True)
class Removable:
    """Something that can go."""

    what: str
    """In words."""
    path: Path
    size_bytes: int
    run_id: str = ""
    """Of a checkpoint."""


def removable(workspace: Workspace) -> list[Removable]:
    """What can go, checkpoints first."""
    items = [_checkpoint(folder) for folder in _finished(workspace)]
    if trashed_runs(workspace) and not workspace.trash.is_symlink():
        items.append(_tree(f"trash: {len(trashed_runs(workspace))} deleted", workspace.trash))
    if workspace.noise.is_dir() and not workspace.noise.is_symlink():
        items.append(_tree("cache: resampled differences", workspace.noise))
    items += [_file("index of an earlier version", path) for path in _old_indexes(workspace)]
    return [item for item in items if item.size_bytes]


def remove(workspace: Workspace, items: Sequence[Removable]) -> int:
    """Delete what `removable` has listed, as far as it still can go.

    Returns:
        The bytes that are free now.

    Raises:
        YoloqatError: something cannot be deleted; what came before it is gone.
    """
    freed = 0
    with lock_launches(workspace):
        finished = {folder.id for folder in _finished(workspace)}
        for item in items:
            try:
                if item.run_id:
                    freed += _remove_checkpoint(workspace.run(item.run_id)) if item.run_id in finished else 0
                    continue
                if item.path == workspace.trash:
                    empty_trash(workspace)
                elif item.path == workspace.noise:
                    shutil.rmtree(item.path)
                else:
                    item.path.unlink()
                freed += item.size_bytes
            except FileNotFoundError:
                continue
            except OSError as error:
                raise YoloqatError(f"cannot delete: {error.strerror or error}", where=str(item.path)) from error
    return freed


def _finished(workspace: Workspace) -> Iterator[RunFolder]:
    """Succeeded runs with a best and a last checkpoint, of which no run needs the latter that has not succeeded."""
    candidates, others = {}, []
    for run_id in sorted(workspace.folder_names()):
        folder = workspace.run(run_id)
        if _has_both(folder) and _has_succeeded(folder):
            candidates[run_id.encode()] = folder
        else:
            others.append(folder)
    needed: set[bytes] = set()
    for folder in others if candidates else ():
        with contextlib.suppress(OSError):
            text = read_head(folder.spec, YAML_BYTES)
            named = candidates.keys() & set(_NAME.findall(text))
            if named and not _has_succeeded(folder):
                needed |= named
    yield from (folder for run_id, folder in candidates.items() if run_id not in needed)


def _has_both(folder: RunFolder) -> bool:
    if not _NAME.fullmatch(folder.id.encode()) or folder.path.is_symlink() or folder.weights.is_symlink():
        return False
    return all(_is_regular(folder.weights / name) for name in (_BEST, _LAST))


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _has_succeeded(folder: RunFolder) -> bool:
    """Whether it has succeeded, as its outcome tells it: without one, the files that it left decide."""
    attempts = folder.attempts()
    if not has_plainly_ended(folder) or not attempts or not attempts[-1].outcome.exists():
        return False
    from engine.supervise.state.status import read_state

    return read_state(folder).state is RunState.SUCCEEDED


def _checkpoint(folder: RunFolder) -> Removable:
    path = folder.weights / _LAST
    return Removable(f"{_LAST} of {read_name(folder).name}, which has {_BEST}", path, _allocated(path), folder.id)


def _tree(what: str, path: Path) -> Removable:
    return Removable(what, path, sum(status.st_blocks * BLOCK_BYTES for _, status in files_below(str(path))))


def _file(what: str, path: Path) -> Removable:
    return Removable(what, path, _allocated(path))


def _allocated(path: Path) -> int:
    try:
        return path.lstat().st_blocks * BLOCK_BYTES
    except OSError:
        return 0


def _old_indexes(workspace: Workspace) -> list[Path]:
    """Copies that were kept before the index was migrated, and files that were no index."""
    name = workspace.database.name
    paths = [*workspace.path.glob(f"{name}.before-*"), *workspace.path.glob(f"{name}.*.unusable")]
    return sorted(path for path in paths if _is_regular(path))


def _remove_checkpoint(folder: RunFolder) -> int:
    """Delete a run's last checkpoint, by folders that are no links even if somebody puts one there meanwhile."""
    size = _allocated(folder.weights / _LAST)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.ExitStack() as stack:
        run = os.open(folder.path, flags)
        stack.callback(os.close, run)
        weights = os.open("weights", flags, dir_fd=run)
        stack.callback(os.close, weights)
        os.stat(_BEST, dir_fd=weights, follow_symlinks=False)
        os.unlink(_LAST, dir_fd=weights)
    return size
