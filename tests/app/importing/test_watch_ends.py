"""A watched log is copied to its end, whoever reads next, before its run counts as ended."""

import os
import signal
from pathlib import Path

import pytest

from app.importing.watch import attach, watch_log
from app.indexing.service import reindex, update_index
from app.runs.reader import find_run, list_runs
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from engine.contracts.watching import WatchRecord
from tests.app.importing.test_watch import Start, Writer, ended, epochs_done, lines, start
from tests.app.indexing.index_fixtures import indexer_is_at_work, until, workspace

__all__ = ["start", "workspace"]
COMPLETE = "complete: 3 epochs in 0.100 hours"


def watched_and_abandoned(workspace: Workspace, path: Path, start: Start) -> Writer:
    """A log that is watched, one epoch of it read, and its indexer killed."""
    writer = start(path)
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.stat().st_size > 0)
    watch_log(workspace, path)
    until(lambda: epochs_done(workspace) == 1 and workspace.indexer_lock.read_text())
    os.kill(int(workspace.indexer_lock.read_text()), signal.SIGKILL)
    until(lambda: not indexer_is_at_work(workspace))
    return writer


@pytest.mark.parametrize("reader", ["ls", "reindex"])
def test_what_was_written_after_the_indexer_had_died_is_read(
    workspace: Workspace, tmp_path: Path, start: Start, reader: str
) -> None:
    path = tmp_path / "train.log"
    writer = watched_and_abandoned(workspace, path, start)
    writer.print(b"".join(lines()[5:]))
    writer.end()
    if reader == "reindex":
        assert reindex(workspace).epochs == 3
    run = find_run(workspace, "train")
    assert (run.state, run.epochs_done, run.reason) == (RunState.ENDED, 3, COMPLETE)
    assert workspace.run(run.id).attempt(1).console.read_bytes() == path.read_bytes()


def test_a_log_that_was_rotated_meanwhile_is_found_by_its_new_name(
    workspace: Workspace, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "train.log"
    writer = watched_and_abandoned(workspace, path, start)
    writer.print(b"".join(lines()[5:]))
    writer.end()
    path.rename(tmp_path / "train.log.1")
    run = find_run(workspace, "train")
    assert (run.state, run.reason) == (RunState.ENDED, COMPLETE)


def test_a_log_that_was_truncated_meanwhile_keeps_what_was_copied(
    workspace: Workspace, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "train.log"
    watched_and_abandoned(workspace, path, start).end()
    copied = path.read_bytes()
    path.write_bytes(b"another program\n")
    run = find_run(workspace, "train")
    folder = workspace.run(run.id)
    consoles = [attempt.console.read_bytes() for attempt in folder.attempts()]
    assert consoles == [copied, path.read_bytes()]
    path.unlink()
    record = WatchRecord.read(folder.attempt(2).watch)
    assert record is not None
    record.model_copy(update={"ended_at": record.started_at}).write(folder.attempt(2).watch)  # it would be waited for


def test_a_log_that_is_gone_ends_with_what_was_copied(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "train.log"
    watched_and_abandoned(workspace, path, start).end()
    path.unlink()
    run = find_run(workspace, "train")
    assert (run.state, run.reason) == (RunState.ENDED, "cut off after epoch 0/2")


def test_a_log_that_cannot_be_read_for_a_while_is_copied_later(
    workspace: Workspace, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "train.log"
    writer = watched_and_abandoned(workspace, path, start)
    writer.print(b"".join(lines()[5:]))
    writer.end()
    away = tmp_path / "elsewhere"
    away.mkdir()
    path.rename(away / path.name)
    path.symlink_to(path)  # a loop: the name is there and cannot be opened, as on a server that is away
    run = find_run(workspace, "train")
    record = WatchRecord.read(workspace.run(run.id).attempt(1).watch)
    assert (run.state, run.epochs_done) == (RunState.ENDED, 1)
    assert record is not None
    assert record.ended_at is None, "it is not given up"
    path.unlink()
    (away / path.name).rename(path)
    (run,) = list_runs(workspace)
    assert (run.epochs_done, run.reason) == (3, COMPLETE)


def test_a_process_that_ends_as_soon_as_it_is_attached_to_is_read_to_its_end(
    workspace: Workspace, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "train.log"
    writer = start(path)
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.stat().st_size > 0)

    def end_first(*arguments: object) -> None:
        writer.print(b"".join(lines()[5:]))
        writer.end()
        update_index(workspace)

    monkeypatch.setattr("app.indexing.service.update_index", end_first)
    attached = attach(workspace, writer.process.pid, "quick")
    monkeypatch.undo()
    ended(workspace, attached.run_id)
    run = find_run(workspace, attached.run_id)
    assert (run.epochs_done, run.reason) == (3, COMPLETE)
