"""Read runs from the index, and check the states of live runs against their processes."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.following.log_tail import last_lines, log_tail
from app.indexing.freshness import refresh
from app.workspace.run_names import find_id, read_name, run_names
from app.workspace.user_file import read_user, user_name, user_tags
from db.place import index_file
from db.reading import database, values
from db.reading.detail import get_detail as stored_detail
from db.reading.runs import StoredChanges, runs_changed_since
from db.space import lacks_space
from db.views import NEVER, IndexVersion, RunDetail, RunView
from engine.contracts.errors import YoloqatError
from engine.contracts.facts import Progress
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.states import RunState

if TYPE_CHECKING:
    from engine.contracts.attempt_records import Provenance
    from engine.supervise.state.status import RunStatus

__all__ = ["data_version", "find_run", "get_detail", "group_details", "list_runs", "log_tail", "wait_until_indexed"]

Answer = TypeVar("Answer")
SETTLE_SECONDS = 15.0
"""How long to wait for the indexer after a run has ended."""


@dataclass(frozen=True, kw_only=True)
class RunChanges:
    """The runs of a workspace that have changed since a version of its index."""

    schema: int = 1
    workspace: Path
    version: IndexVersion
    """The version to pass to the next call."""
    complete: bool
    """Whether these are all runs: the caller discards the runs of earlier answers."""
    runs: tuple[RunView, ...]
    """The changed runs, archived ones too, and all live runs: their states change without a write to the index."""
    removed: tuple[str, ...]


def runs_since(workspace: Workspace, since: IndexVersion) -> RunChanges:
    """Return the changes since a version; all runs if it is of another database. Does not wait for the indexer.

    On a full disk only the run folders are read: states are correct, metrics are missing.

    Raises:
        YoloqatError: the database cannot be read.
    """
    nothing = StoredChanges(NEVER, True, [], [], frozenset())
    stored = _unless_full(workspace, lambda: _stored_changes(workspace, since) or nothing, nothing)
    names = frozenset(workspace.folder_names())
    rows: dict[str, RunView | None] = {view.id: view for view in stored.runs if view.id in names}
    rows |= {run_id: None for run_id in names - stored.ids if workspace.run(run_id).is_run}
    views = [view for run_id in sorted(rows) if (view := _refreshed(rows[run_id], workspace.run(run_id))) is not None]
    removed = {*stored.removed, *(stored.ids - names)} - rows.keys()
    return RunChanges(
        workspace=workspace.path,
        version=stored.version,
        complete=stored.complete,
        runs=tuple(views),
        removed=() if stored.complete else tuple(sorted(removed)),
    )


def list_runs(workspace: Workspace, *, archived: bool = False) -> list[RunView]:
    """Return all runs, newest first, after the index is current.

    Args:
        archived: include archived runs.

    Raises:
        YoloqatError: the database cannot be read.
    """
    refresh(workspace)
    return newest_first(runs_since(workspace, NEVER).runs, archived=archived)


def newest_first(runs: Iterable[RunView], *, archived: bool) -> list[RunView]:
    """Sort runs newest first; leave archived runs out unless `archived`."""
    listed = [run for run in runs if archived or not run.archived]
    return sorted(listed, key=lambda run: (run.created_at, run.id), reverse=True)


def find_run(workspace: Workspace, reference: str) -> RunView:
    """Return one run by name, id or a prefix of the id.

    Raises:
        YoloqatError: no run or several runs match, or the database cannot be read.
    """
    return get_detail(workspace, reference).run


def get_detail(
    workspace: Workspace, reference: str, *, wait_seconds: float | None = None, previous: RunDetail | None = None
) -> RunDetail:
    """Return everything about one run, by name, id or a prefix of the id.

    Args:
        wait_seconds: limit of the wait for the indexer if the index is behind; None for the default of commands.
        previous: what was read before of this run; only epochs that have changed since are read.

    Raises:
        YoloqatError: no run or several runs match, or the database cannot be read.
    """
    folder = workspace.run(find_id(workspace, reference))
    refresh(workspace, [folder.id], wait_seconds=wait_seconds)
    detail = _unless_full(workspace, lambda: _stored_detail(workspace, folder.id, previous), None)
    view = _refreshed(detail.run if detail else None, folder)
    if view is None:
        raise YoloqatError("cannot read the run", where=str(folder.path), hint="Its spec.yaml is missing or broken.")
    if detail is None:
        from engine.contracts.spec import RunSpec

        spec = RunSpec.read(folder.spec)
        detail = RunDetail(view, spec.options, tuple(spec.command), spec.cwd, (), (), (), (), spec.imported_from)
    return replace(detail, run=view, log_tail=log_tails(workspace, [view])[view.id])


def option_values(workspace: Workspace, option: str) -> Mapping[str, str | float | None]:
    """Return the value of an option by run id, for the runs that have it. Does not wait for the indexer."""
    with database.reading(index_file(workspace)) as connection:
        return {} if connection is None else values.option_values(connection, option)


def metric_values(workspace: Workspace, key: str) -> Mapping[str, str | float | None]:
    """Return a metric of the best epoch or evaluation by run id. Does not wait for the indexer."""
    with database.reading(index_file(workspace)) as connection:
        return {} if connection is None else values.metric_values(connection, key)


def provenance(workspace: Workspace, run_id: str) -> "Provenance | None":
    """Return code, packages and environment of the newest attempt; None if they were not recorded."""
    from engine.contracts.attempt_records import ProcessRecord

    attempts = workspace.run(run_id).attempts()
    record = ProcessRecord.read(attempts[-1].process) if attempts else None
    return record.provenance if record is not None else None


def log_tails(workspace: Workspace, runs: Sequence[RunView]) -> dict[str, tuple[str, ...]]:
    """Return the last lines of each run's newest log, by id."""
    attempts = {run.id: workspace.run(run.id).attempts() for run in runs}
    return {run_id: last_lines(folders[-1] if folders else None) for run_id, folders in attempts.items()}


def group_details(workspace: Workspace, group: str) -> list[RunDetail]:
    """Return all runs of a group, oldest first."""
    return [get_detail(workspace, run.id) for run in run_names(workspace) if run.group == group]


def data_version(workspace: Workspace) -> int:
    """Return a number that changes with the index; cheap."""
    return database.data_version(index_file(workspace))


def wait_until_indexed(workspace: Workspace, run_id: str) -> None:
    """Wait until an ended run is completely indexed, at most `SETTLE_SECONDS`."""
    refresh(workspace, [run_id], wait_seconds=SETTLE_SECONDS)


def _stored_changes(workspace: Workspace, since: IndexVersion) -> StoredChanges | None:
    with database.reading(index_file(workspace)) as connection:
        return None if connection is None else runs_changed_since(connection, since)


def _stored_detail(workspace: Workspace, run_id: str, previous: RunDetail | None) -> RunDetail | None:
    with database.reading(index_file(workspace)) as connection:
        return None if connection is None else stored_detail(connection, run_id, previous)


def _unless_full(workspace: Workspace, read: Callable[[], Answer], fallback: Answer) -> Answer:
    """Read from the index, or return the fallback on a full disk, which must not hide how runs have ended."""
    try:
        return read()
    except Exception as error:
        if not lacks_space(error, workspace.index_folder):
            raise
        return fallback


def _refreshed(view: RunView | None, folder: RunFolder) -> RunView | None:
    """Return the row with current state and annotations; one made from the folder if the index has none yet."""
    if view is not None and _has_ended(view, folder):
        return view
    if view is None:
        view = _from_folder(folder)
    if view is None:
        return None
    from engine.supervise.state.status import read_state

    status = read_state(folder)
    user = read_user(folder)
    return replace(
        view,
        name=user_name(user, view.name),
        tags=tuple(user_tags(user)),
        notes=str(user.get("notes") or ""),
        archived=user.get("archived") is True,
        state=status.state,
        reason=status.reason,
        attempt=status.attempt,
        started_at=status.started_at,
        ended_at=status.ended_at,
        seconds=status.seconds,
        stalled=status.stalled,
        suspended=status.suspended,
        stopping=status.stopping,
        handed_to=status.handed_to,
        gpus_outside_lease=status.gpus_outside_lease,
        eta_seconds=view.eta_seconds if status.state.is_live and not status.suspended else None,
        progress=_progress_now(view, status),
    )


def _progress_now(view: RunView, status: "RunStatus") -> Progress | None:
    """Return the progress of a live run; without speed and time left while it is suspended."""
    if not status.state.is_live or view.progress is None:
        return None
    return replace(view.progress, rate="", remaining_seconds=None) if status.suspended else view.progress


def _has_ended(view: RunView, folder: RunFolder) -> bool:
    """Whether the row is final: the run has ended, and no later attempt exists."""
    return not view.state.is_live and not os.path.exists(f"{folder.path}/attempts/{view.attempt + 1}")


def _from_folder(folder: RunFolder) -> RunView | None:
    """Return the row of a run that is not indexed yet; None if its specification cannot be read."""
    from engine.contracts.spec import RunSpec

    try:
        spec = RunSpec.read(folder.spec)
    except YoloqatError:
        return None
    return RunView(
        id=folder.id,
        name=read_name(folder).name,
        stage=spec.stage,
        state=RunState.STARTING,
        reason="",
        created_at=spec.created_at,
        group=spec.group,
        pipeline=spec.pipeline,
        step=spec.step,
        source=spec.source,
        parents=tuple(spec.parents),
    )
