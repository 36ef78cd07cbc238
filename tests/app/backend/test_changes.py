"""Whoever asks for changes again and again knows what the list shows."""

from pathlib import Path

from app.backend.interface import Backend
from app.backend.local import LocalBackend
from app.backend.run_cache import RunCache
from app.cli.output import plain
from app.runs.annotations import archive_run, tag_run
from app.runs.trash import delete_runs, undelete_runs
from engine.contracts.run_folder import Workspace
from tests.app.indexing.index_fixtures import add_folder, add_result, epochs_log, train, wait, workspace

__all__ = ["workspace"]


def news(backend: Backend, known: RunCache) -> tuple[list[str], list[str]]:
    """Names of the runs that an answer holds, and ids of those that are gone; what is known then is what there is."""
    backend.refresh()
    changes = backend.changes(known.version)
    known.apply(changes)
    fresh = RunCache()
    fresh.apply(backend.changes())
    assert [run.id for run in known.listed(archived=True)] == [run.id for run in fresh.listed(archived=True)]
    assert [run.tags for run in known.listed(archived=False)] == [run.tags for run in fresh.listed(archived=False)]
    return sorted(run.name for run in changes.runs), list(changes.removed)


def test_changes_hold_what_has_changed_and_no_more(workspace: Workspace) -> None:
    backend: Backend = LocalBackend(workspace)
    known = RunCache()
    assert news(backend, known) == ([], [])
    first = add_folder(workspace, epochs_log(0, 3), name="first")
    second = add_folder(workspace, epochs_log(0, 1), name="second")
    assert news(backend, known) == (["first", "second"], [])
    assert news(backend, known) == ([], [])
    tag_run(workspace, "second", ["good"])
    assert news(backend, known) == (["second"], [])
    archive_run(workspace, first.id)
    assert news(backend, known) == (["first"], [])
    assert [run.name for run in known.listed(archived=False)] == ["second"]
    delete_runs(workspace, [second.id])
    assert news(backend, known) == ([], [second.id])
    undelete_runs(workspace)
    assert news(backend, known) == (["second"], [])


def test_a_run_is_in_every_answer_until_it_has_ended(workspace: Workspace) -> None:
    backend: Backend = LocalBackend(workspace)
    known = RunCache()
    add_folder(workspace, epochs_log(0, 3), name="done")
    run_id = train(workspace, 3, 0.3, name="live")
    assert news(backend, known) == (["done", "live"], [])
    while backend.detail(run_id).run.state.is_live:
        assert news(backend, known)[0] == ["live"]
    wait(workspace, run_id)
    news(backend, known)
    assert news(backend, known) == ([], [])


def test_a_rebuilt_index_makes_nobody_keep_what_is_gone(workspace: Workspace) -> None:
    from app.indexing.service import reindex

    backend: Backend = LocalBackend(workspace)
    known = RunCache()
    gone = add_folder(workspace, epochs_log(0, 3), name="gone")
    add_folder(workspace, epochs_log(0, 3), name="stays")
    news(backend, known)
    delete_runs(workspace, [gone.id])
    reindex(workspace)
    assert news(backend, known) == (["stays"], [])
    assert [run.name for run in known.listed(archived=True)] == ["stays"]


def test_the_documents_are_those_of_the_commands(workspace: Workspace, tmp_path: Path) -> None:
    backend = LocalBackend(workspace)
    folder = add_folder(workspace, epochs_log(0, 3))
    add_result(folder)
    backend.refresh()
    listed = plain(backend.runs_document())
    assert (listed["schema"], listed["workspace"], listed["runs"][0]["name"]) == (1, str(workspace.path), "renamed")
    assert listed["version"] == plain(backend.changes().version)
    assert listed["runs"][0]["log_tail"]
    shown = plain(backend.run_document(folder.id))
    assert (shown["schema"], shown["run"]["id"], len(shown["epochs"]), shown["provenance"]) == (1, folder.id, 4, None)
    assert plain(backend.changes())["runs"][0] == {k: v for k, v in listed["runs"][0].items() if k != "log_tail"}
    assert plain(backend.log_document(folder.id, 3))["attempt"] == 1
    assert plain(backend.queue_document())["queue"] == []
