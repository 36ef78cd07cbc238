"""When an indexer ends: its workspace is gone or another one, or a newer version has come."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.command import upgrade

from app.indexing import lock
from app.indexing.lock import holder, indexer_lock
from app.indexing.service import ensure_indexer, update_index
from db.connect import connect
from db.migrate import alembic_config
from db.migrations import HEAD
from db.revision import stored_revision
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.files.programs import module_command
from tests.app.indexing.index_fixtures import add_folder, epochs_log, indexer_is_at_work, until, workspace
from tests.app.indexing.test_index import start_indexer

__all__ = ["workspace"]
OLD = "app.services.indexer"
HOLD = """
import fcntl, os, sys, time
lock = os.open(sys.argv[-1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
os.ftruncate(lock, 0)
os.pwrite(lock, str(os.getpid()).encode(), 0)
print("held", flush=True)
time.sleep(60)
"""
"""Takes the lock as an indexer of version 0.1 does: with its pid alone."""
Hold = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def hold(workspace: Workspace) -> Iterator[Hold]:
    """Starts a process that has the lock; its arguments are what its command line shows."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, *arguments, str(workspace.indexer_lock)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        started[-1].stdout.readline()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def make_older(workspace: Workspace) -> None:
    """A database of an earlier version, with nothing in it."""
    engine = connect(workspace.database)
    with engine.connect() as connection:
        upgrade(alembic_config(connection), "0002")
    engine.dispose()


def delete(workspace: Workspace) -> None:
    shutil.rmtree(workspace.path)


def make_anew(workspace: Workspace) -> None:
    shutil.rmtree(workspace.path)
    workspace.runs.mkdir(parents=True)


def move_away(workspace: Workspace) -> None:
    """What an unmount looks like: the path is gone, the open files are not."""
    workspace.path.rename(workspace.path.with_name("elsewhere"))


def delete_lock(workspace: Workspace) -> None:
    workspace.indexer_lock.unlink()


def replace_lock(workspace: Workspace) -> None:
    workspace.indexer_lock.unlink()
    workspace.indexer_lock.touch()


@pytest.mark.parametrize("change", [delete, make_anew, move_away, delete_lock, replace_lock])
def test_an_indexer_ends_when_its_workspace_is_no_more(
    workspace: Workspace,
    change: Callable[[Workspace], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("app.indexing.process.IDLE_SECONDS", 60.0)
    child = start_indexer(workspace)
    until(lambda: workspace.database.exists() and workspace.indexer_lock.read_text())
    time.sleep(0.3)
    change(workspace)
    began = time.monotonic()
    assert os.waitpid(child, 0)[1] == 0
    assert time.monotonic() - began < 5
    assert "Traceback" not in capfd.readouterr().err
    if change is make_anew:
        assert os.listdir(workspace.path) == ["runs"], "it leaves the new one alone"


def test_an_indexer_leaves_a_database_of_a_newer_version_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.indexing.process.IDLE_SECONDS", 60.0)
    monkeypatch.setattr("app.indexing.process.CHECK_ALL_SECONDS", 0.3)
    child = start_indexer(workspace)
    until(lambda: workspace.database.exists() and workspace.indexer_lock.read_text())
    until(lambda: stored_revision(workspace.database) == HEAD)
    with closing(sqlite3.connect(workspace.database)) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
        file.commit()
    assert os.waitpid(child, 0)[1] == 0
    assert os.waitpid(start_indexer(workspace), 0)[1] == 0


def test_an_indexer_of_an_older_version_goes_first(workspace: Workspace, hold: Hold) -> None:
    old = hold(OLD)
    ensure_indexer(workspace)
    assert old.wait(10) == -signal.SIGTERM
    until(lambda: (found := holder(workspace)) is not None and found.revision == HEAD)
    pid = workspace.indexer_lock.read_text()
    ensure_indexer(workspace)
    assert workspace.indexer_lock.read_text() == pid, "one of the same version stays"


def test_the_older_version_goes_before_its_database_is_migrated(workspace: Workspace, hold: Hold) -> None:
    add_folder(workspace, epochs_log(0, 3))
    make_older(workspace)
    old = hold(OLD)
    update_index(workspace)
    assert old.wait(10) == -signal.SIGTERM
    assert stored_revision(workspace.database) == HEAD
    assert stored_revision(workspace.path / f"yoloqat.db.before-{HEAD}") == "0002"
    until(lambda: indexer_is_at_work(workspace))  # another one in its place


def test_a_process_that_is_no_indexer_is_not_signalled(
    workspace: Workspace, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pid may be that of an indexer on another machine, and here of any program."""
    monkeypatch.setattr(lock, "_YIELD_SECONDS", 0.3)
    make_older(workspace)
    other = hold("train.py")
    ensure_indexer(workspace)
    with pytest.raises(YoloqatError, match="does not stop"):
        update_index(workspace)
    assert other.poll() is None
    assert stored_revision(workspace.database) == "0002", "nothing is changed under it"


def test_a_command_that_has_the_lock_for_a_moment_is_no_indexer(workspace: Workspace) -> None:
    with indexer_lock(workspace) as is_ours:
        assert is_ours
        assert holder(workspace) is None


def test_an_indexer_that_is_asked_for_in_a_folder_that_is_gone_says_so(tmp_path: Path) -> None:
    command = module_command("app.indexing.process", "--foreground", "--workspace", str(tmp_path / "no"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "cannot write to the workspace" in done.stderr
    assert "Traceback" not in done.stderr
