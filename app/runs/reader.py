"""Reading runs: rows of the store, with the states of live runs checked against their processes."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from app.following.log_tail import last_lines, log_tail
from app.indexing.service import catch_up, open_index
from app.workspace.run_names import find_id, read_name, run_names
from db.views import RunDetail, RunView
from engine.contracts.attempt_records import ProcessRecord, Provenance
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder, Workspace
from engine.contracts.spec import RunSpec
from engine.contracts.states import RunState
from engine.supervise.state import read_state

if TYPE_CHECKING:
    from db.open import Store

__all__ = ["data_version", "find_run", "get_detail", "group_details", "list_runs", "log_tail", "settle"]

Answer = TypeVar("Answer")
SETTLE_SECONDS = 15.0
"""How long the indexer is waited for after a run has ended."""


def list_runs(workspace: Workspace, *, archived: bool = False) -> list[RunView]:
    """All runs, newest first. On a full disk the folders alone tell of them: states are true, metrics missing.

    Args:
        archived: the archived ones, too.

    Raises:
        YoloqatError: the database cannot be used.
    """
    nothing: dict[str, RunView] = {}
    stored = _unless_full(workspace, lambda: _stored_runs(workspace), nothing)
    views = [_checked(stored.get(folder.id), folder) for folder in workspace.run_folders()]
    shown = [view for view in views if view is not None and (archived or not view.archived)]
    return sorted(shown, key=lambda view: (view.created_at, view.id), reverse=True)


def find_run(workspace: Workspace, reference: str) -> RunView:
    """One run, by name, id or a prefix of the id.

    Raises:
        YoloqatError: no run or more than one is meant, or the database cannot be used.
    """
    return get_detail(workspace, reference).run


def get_detail(workspace: Workspace, reference: str) -> RunDetail:
    """Everything about one run, by name, id or a prefix of the id.

    Raises:
        YoloqatError: no run or more than one is meant, or the database cannot be used.
    """
    folder = workspace.run(find_id(workspace, reference))
    detail = _unless_full(workspace, lambda: _stored_detail(workspace, folder), None)
    view = _checked(detail.run if detail else None, folder)
    if view is None:
        raise YoloqatError("the run cannot be read", where=str(folder.path), hint="Its spec.yaml is missing or broken.")
    if detail is None:
        spec = RunSpec.read(folder.spec)
        detail = RunDetail(view, spec.options, tuple(spec.command), spec.cwd, (), (), (), (), spec.imported_from)
    return replace(detail, run=view, log_tail=log_tails(workspace, [view])[view.id])


def provenance(workspace: Workspace, run_id: str) -> Provenance | None:
    """Code, packages and environment that the newest attempt started from; None when nobody wrote them down."""
    attempts = workspace.run(run_id).attempts()
    record = ProcessRecord.read(attempts[-1].process) if attempts else None
    return record.provenance if record is not None else None


def log_tails(workspace: Workspace, runs: Sequence[RunView]) -> dict[str, tuple[str, ...]]:
    """What the newest log of each run said last, by id."""
    attempts = {run.id: workspace.run(run.id).attempts() for run in runs}
    return {run_id: last_lines(found[-1] if found else None) for run_id, found in attempts.items()}


def _stored_runs(workspace: Workspace) -> dict[str, RunView]:
    from db import queries

    catch_up(workspace)
    with _store(workspace) as store:
        return {view.id: view for view in queries.list_runs(store, archived=True)}


def _stored_detail(workspace: Workspace, folder: RunFolder) -> RunDetail | None:
    from db import queries

    with _store(workspace) as store:
        detail = queries.get_detail(store, folder.id)
    if detail is None or not _has_ended(detail.run, folder):
        catch_up(workspace)  # an indexer follows live runs, but it may have been killed
        with _store(workspace) as store:
            detail = queries.get_detail(store, folder.id)
    return detail


def _unless_full(workspace: Workspace, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
    """What the store says. A full disk must not hide how runs have ended, so where there is one it is not needed."""
    try:
        return ask()
    except Exception as error:
        from db.space import lacks_space

        if not lacks_space(error, workspace.path):
            raise
        return otherwise


def group_details(workspace: Workspace, group: str) -> list[RunDetail]:
    """All runs of a group, oldest first."""
    return [get_detail(workspace, run.id) for run in run_names(workspace) if run.group == group]


def data_version(workspace: Workspace) -> int:
    """A number that changes when the store does. Two `stat` calls, so that it can be asked for often."""
    stamp = 0
    for path in (workspace.database, workspace.database.with_name(f"{workspace.database.name}-wal")):
        with contextlib.suppress(OSError):
            found = path.stat()
            # An empty write-ahead log comes and goes with every reader.
            if found.st_size:
                stamp = hash((stamp, found.st_size, found.st_mtime_ns, found.st_ino))
    return stamp


def settle(workspace: Workspace, run_id: str) -> None:
    """Wait until all that an ended run left has been read into the store; gives up after a while."""
    from db import queries

    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        catch_up(workspace)
        with _store(workspace) as store:
            if queries.is_settled(store, run_id):
                return
        time.sleep(0.1)


@contextlib.contextmanager
def _store(workspace: Workspace) -> Iterator["Store"]:
    store = open_index(workspace)
    with contextlib.closing(store):
        yield store


def _checked(view: RunView | None, folder: RunFolder) -> RunView | None:
    """The row with the state as it is now; a row made from the folder where the store has none yet."""
    if view is not None and _has_ended(view, folder):
        return view
    if view is None:
        view = _from_folder(folder)
    if view is None:
        return None
    status = read_state(folder)
    return replace(
        view,
        state=status.state,
        reason=status.reason,
        attempt=status.attempt,
        started_at=status.started_at,
        ended_at=status.ended_at,
        seconds=status.seconds,
        stalled=status.stalled,
        stopping=status.stopping,
        eta_seconds=view.eta_seconds if status.state.is_live else None,
        progress=view.progress if status.state.is_live else None,
    )


def _has_ended(view: RunView, folder: RunFolder) -> bool:
    """Whether a row is the last word on its run: it has ended, and no attempt has been started since."""
    return not view.state.is_live and not folder.attempt(view.attempt + 1).path.exists()


def _from_folder(folder: RunFolder) -> RunView | None:
    """A run that was launched a moment ago; None for a folder that tells nothing."""
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
