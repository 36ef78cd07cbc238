"""Delete and restore runs: their folders stay in the workspace's trash until it is emptied."""

import re
import shutil
from collections.abc import Iterator, Sequence

from app.workspace.run_names import RunName, lock_launches, read_name
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.states import RunState
from engine.files.safe_open import YAML_BYTES, read_head
from engine.runner.start_record import delete_start_records
from engine.supervise.state.has_ended import has_plainly_ended

_PLAIN_ID = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
"""Stands in YAML as it is, whatever writes it."""


def delete_runs(workspace: Workspace, run_ids: Sequence[str]) -> list[RunName]:
    """Move runs into the trash. All are checked before the first one is moved.

    A watched run may be live: its log is no longer watched, its process keeps running.

    Returns:
        Their names.

    Raises:
        YoloqatError: a run is live, or another run waits for it; or a folder cannot be moved.
    """
    with lock_launches(workspace):
        names = [read_name(workspace.run(run_id)) for run_id in run_ids]
        waiting = _waiting_children(workspace, run_ids)
        for run in names:
            state = _live_state(workspace.run(run.id))
            if state is not None and not is_watched(workspace.run(run.id)):
                raise YoloqatError(
                    f"{run.name} is {state.value}", where=run.id, hint=f"Stop it first: yoloqat stop {run.name}"
                )
            child = waiting.get(run.id)
            if child is not None and child.id not in run_ids:
                raise YoloqatError(
                    f"{child.name} waits for {run.name}", where=run.id, hint=f"First: yoloqat cancel {child.name}"
                )
        for run in names:
            _move(workspace.run(run.id), RunFolder(workspace.trash / run.id))
    return names


def undelete_runs(workspace: Workspace, references: Sequence[str] = ()) -> list[RunName]:
    """Restore runs from the trash, by name, group or prefix of the id; without references the last deleted one.

    Raises:
        YoloqatError: a run is not in the trash, or a folder cannot be moved.
    """
    deleted = trashed_runs(workspace)
    if not references:
        restored = deleted[-1:]
        if not restored:
            raise YoloqatError("the trash is empty", where=str(workspace.trash))
    else:
        restored = []
        for reference in references:
            matches = [run for run in deleted if reference in (run.name, run.group) or run.id.startswith(reference)]
            if not matches:
                raise YoloqatError(
                    f"there is no run {reference!r} in the trash",
                    where=str(workspace.trash),
                    hint="`yoloqat trash` lists them.",
                )
            restored += [run for run in matches if run not in restored]
    for run in restored:
        _move(RunFolder(workspace.trash / run.id), workspace.run(run.id))
    return restored


def trashed_runs(workspace: Workspace) -> list[RunName]:
    """Return the deleted runs, the last deleted one last."""
    if not workspace.trash.is_dir():
        return []
    folders = [RunFolder(path) for path in workspace.trash.iterdir() if (path / "spec.yaml").is_file()]
    folders.sort(key=lambda folder: (folder.path.stat().st_ctime_ns, folder.id))
    return [read_name(folder) for folder in folders]


def empty_trash(workspace: Workspace) -> int:
    """Delete the runs in the trash for good.

    Returns:
        The number of deleted runs.

    Raises:
        YoloqatError: a folder cannot be deleted.
    """
    runs = trashed_runs(workspace)
    for run in runs:
        delete_start_records(str(workspace.trash / run.id))
    try:
        if workspace.trash.is_dir():
            shutil.rmtree(workspace.trash)
    except OSError as error:
        raise YoloqatError(f"cannot delete: {error.strerror or error}", where=str(error.filename)) from error
    return len(runs)


def _waiting_children(workspace: Workspace, run_ids: Sequence[str]) -> dict[str, RunName]:
    """Return run id → a queued run that waits for it."""
    children: dict[str, RunName] = {}
    for folder in _naming_one_of(workspace, run_ids):
        if _live_state(folder) is RunState.QUEUED:
            from engine.contracts.spec import RunSpec

            children |= dict.fromkeys(RunSpec.read(folder.spec).parents, read_name(folder))
    return children


def _naming_one_of(workspace: Workspace, run_ids: Sequence[str]) -> Iterator[RunFolder]:
    """Runs in whose specification one of these ids stands, among them all that have one as a parent.

    Reading the YAML of a thousand specifications takes seconds.
    """
    is_plain = all(_PLAIN_ID.fullmatch(run_id) for run_id in run_ids)
    pattern = re.compile("|".join(map(re.escape, run_ids)).encode() if is_plain else b"")
    base = str(workspace.runs)  # a path object for each of a thousand runs takes as long as reading them
    for run_id in workspace.folder_names():
        try:
            text = read_head(f"{base}/{run_id}/spec.yaml", YAML_BYTES)
        except OSError:
            continue
        if pattern.search(text):
            yield workspace.run(run_id)


def _live_state(folder: RunFolder) -> RunState | None:
    """The state of a run that lives; None of one that has ended."""
    if has_plainly_ended(folder):
        return None
    from engine.supervise.state.status import read_state

    state = read_state(folder).state
    return state if state.is_live else None


def is_watched(folder: RunFolder) -> bool:
    """Whether the run is watched: its process is foreign and needs no file of the run folder."""
    attempts = folder.attempts()
    return bool(attempts) and attempts[-1].watch.exists()


def _move(source: RunFolder, target: RunFolder) -> None:
    """Rename a run folder. Source and target share a file system, so the move is atomic."""
    try:
        target.path.parent.mkdir(exist_ok=True)
        source.path.rename(target.path)
    except OSError as error:
        raise YoloqatError(f"cannot move the run: {error.strerror or error}", where=str(source.path)) from error
