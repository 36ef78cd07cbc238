"""Everything of ours but the stages is killed again and again; no row is missing, none is doubled, nothing breaks."""

import contextlib
import os
import pty
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from app.services.index import ensure_indexer, reindex
from app.services.runs import get_detail, settle
from engine.contracts.process import ProcessRecord
from engine.contracts.run_folder import Workspace
from tests.app.services.index_fixtures import indexer_is_at_work, rows_of, train, wait, workspace

__all__ = ["workspace"]

EPOCHS = 40
RUNS = 3


class Screen:
    """A real `yoloqat-tui` on a pseudo-terminal."""

    def __init__(self, workspace: Workspace) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", PYTHONPATH=str(Path(__file__).parents[3]))
            os.execv(sys.executable, [sys.executable, "-P", "-m", "app.tui", "--workspace", str(workspace.path)])
        os.set_blocking(self._terminal, False)

    def drain(self) -> None:
        """Take what it has drawn, so that it does not wait for us."""
        with contextlib.suppress(OSError):
            while os.read(self._terminal, 65536):
                pass

    def kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if number == signal.SIGKILL:
            os.waitpid(self.pid, 0)
            os.close(self._terminal)


def kill_runner(workspace: Workspace, run_id: str) -> None:
    process = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
    if process is not None and process.stage is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.runner.pid, signal.SIGKILL)


def kill_indexer(workspace: Workspace) -> bool:
    """Only while it holds its lock: the number that it wrote is nobody else's then."""
    if not indexer_is_at_work(workspace):
        ensure_indexer(workspace)
        return False
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(workspace.indexer_lock.read_text()), signal.SIGKILL)
        return True
    return False


def survive(workspace: Workspace, kills: int, seed: int) -> None:
    choice = random.Random(seed)
    done, number, lost_runner = 0, 0, False
    expected: dict[str, int] = {}
    while done < kills:
        ids = [train(workspace, EPOCHS, 0.1, name=f"run{number}-{i}") for i in range(RUNS)]
        expected.update(dict.fromkeys(ids, EPOCHS))
        number += 1
        screen = Screen(workspace)
        end = time.monotonic() + 0.1 * EPOCHS
        while time.monotonic() < end and done < kills:
            time.sleep(choice.uniform(0, 0.06))
            screen.drain()
            target = choice.choice(["indexer", "indexer", "indexer", "screen", "hangup", "runner"])
            if target == "indexer":
                done += kill_indexer(workspace)
            elif target == "runner":
                kill_runner(workspace, choice.choice(ids))
                lost_runner, done = True, done + 1
            else:
                screen.kill(signal.SIGKILL if target == "screen" else signal.SIGHUP)
                if target == "hangup":
                    screen.kill(signal.SIGKILL)
                screen = Screen(workspace)
                done += 1
        screen.kill(signal.SIGKILL)
        for run_id in ids:
            wait(workspace, run_id)
    assert lost_runner or kills < 20
    for run_id, epochs in expected.items():
        settle(workspace, run_id)
        seen = [epoch.epoch for epoch in get_detail(workspace, run_id).epochs]
        assert seen == list(range(epochs)), run_id
    rows = rows_of(workspace)
    reindex(workspace)
    assert rows_of(workspace) == rows, "an undisturbed reading of the same logs gives the same rows"
    with contextlib.closing(sqlite3.connect(workspace.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_few_kills(workspace: Workspace) -> None:
    survive(workspace, 15, 1)


@pytest.mark.slow
def test_200_kills(workspace: Workspace) -> None:
    survive(workspace, 200, 2)
