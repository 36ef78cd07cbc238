"""Everything of ours but the stages is killed again and again; no row is missing, none is doubled, nothing breaks."""

import contextlib
import os
import pty
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from app.indexing.service import ensure_indexer, reindex
from app.launching.requeue import requeue
from app.launching.stop import run_status
from app.runs.reader import get_detail, wait_until_indexed
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.contracts.states import RunState
from engine.runner.processes.identity import send_signal
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from engine.supervise.state.process_facts import identity_of
from tests.app.indexing.index_fixtures import TRAINER, indexer_is_at_work, rows_of, train, wait, workspace

__all__ = ["workspace"]

EPOCHS = 40
CHILD_EPOCHS = 5
RUNS = 4


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


def after(workspace: Workspace, parent: str, name: str) -> str:
    """A run that waits for another."""
    argv = [sys.executable, str(TRAINER), str(CHILD_EPOCHS), "0.05"]
    spec = RunSpec(id=new_run_id(), name=name, stage=COMMAND, command=argv, cwd="/", parents=[parent])
    launch(workspace, spec)
    return spec.id


def kill_runner(workspace: Workspace, run_id: str) -> bool:
    process = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
    return (
        process is not None and process.stage is not None and send_signal(identity_of(process.runner), signal.SIGKILL)
    )


def kill_waiting_runner(workspace: Workspace, run_id: str) -> bool:
    """A run that waits for another: any command, or a screen, gives it another runner."""
    if run_status(workspace, run_id).state is not RunState.QUEUED:
        return False
    process = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
    if process is None or process.stage is not None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.runner.pid, signal.SIGKILL)
    return True


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
    kills_of: Counter[str] = Counter()
    number = 0
    expected: dict[str, int] = {}
    while kills_of.total() < kills:
        ids = [train(workspace, EPOCHS, 0.1, name=f"run{number}-{i}") for i in range(RUNS)]
        child = after(workspace, ids[0], f"child{number}")
        expected.update({**dict.fromkeys(ids, EPOCHS), child: CHILD_EPOCHS})
        number += 1
        screen = Screen(workspace)
        end = time.monotonic() + 0.1 * EPOCHS
        while time.monotonic() < end and kills_of.total() < kills:
            time.sleep(choice.uniform(0, 0.06))
            screen.drain()
            target = choice.choice(["indexer", "indexer", "indexer", "screen", "hangup", "runner", "waiting"])
            if target == "indexer":
                kills_of[target] += kill_indexer(workspace)
            elif target == "runner":
                # Not the one that is waited for: how a foreign program ended, only its runner knows.
                kills_of[target] += kill_runner(workspace, choice.choice(ids[1:]))
            elif target == "waiting":
                if kill_waiting_runner(workspace, child):
                    kills_of[target] += 1
                elif choice.random() < 0.3:
                    requeue(workspace)  # as every command does
            else:
                screen.kill(signal.SIGKILL if target == "screen" else signal.SIGHUP)
                if target == "hangup":
                    screen.kill(signal.SIGKILL)
                screen = Screen(workspace)
                kills_of[target] += 1
        screen.kill(signal.SIGKILL)
        requeue(workspace)
        for run_id in (*ids, child):
            wait(workspace, run_id)
    assert (kills_of["runner"] and kills_of["waiting"]) or kills < 20
    for run_id, epochs in expected.items():
        wait_until_indexed(workspace, run_id)
        seen = [epoch.epoch for epoch in get_detail(workspace, run_id).epochs]
        assert seen == list(range(epochs)), run_id
    rows = rows_of(workspace)
    reindex(workspace)
    assert rows_of(workspace) == rows, "an undisturbed reading of the same logs gives the same rows"
    with contextlib.closing(sqlite3.connect(workspace.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    print(f"\n{kills_of.total()} kills ({dict(kills_of)}), {len(expected)} runs, {sum(expected.values())} epochs")


def test_a_few_kills(workspace: Workspace) -> None:
    survive(workspace, 15, 1)


@pytest.mark.slow
def test_200_kills(workspace: Workspace) -> None:
    survive(workspace, 200, 2)
