"""What the real screen sends to its terminal, counted: over SSH, only what has changed is paid for."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from app.indexing.service import update_index
from app.launching.stop import stop_run
from engine.contracts.run_folder import Workspace
from tests.app.terminal.pseudo_terminal import started
from tests.bench.workspace_maker import make_run
from tests.conftest import REPOSITORY

TRAINER = """
import sys, time
for epoch in range(100):
    print("\\n     Epoch   gpu_mem       box       obj       cls     total    labels  img_size", file=sys.stderr)
    for n in range(1, 601):
        bar = f"{100 * n // 600:3d}%|{'#' * (n // 60):10s}| {n}/600 [00:{n % 60:02d}<09:59,  1.00it/s]"
        row = f"{epoch}/99      7.5G    0.0{500 + n % 7}   0.03{n % 5}   0.010   0.09{n % 3}       {100 + n}       640"
        print(f"\\r{row:>78}: {bar}", end="", file=sys.stderr, flush=True)
        time.sleep(0.25)
"""
KILOBYTES_PER_MINUTE = {"list": 40, "run": 120}
"""With one live run whose bar redraws in place."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    for number in range(40):
        make_run(workspace, number, 5, random.Random(number))
    update_index(workspace)
    return workspace


@pytest.fixture
def live(workspace: Workspace, tmp_path: Path) -> Iterator[str]:
    """A live run that redraws its bar four times a second."""
    (tmp_path / "train.py").write_text(TRAINER)
    run = [sys.executable, "-P", "-m", "app.cli.main", "run", "--", sys.executable, "train.py"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "YOLOQAT_WORKSPACE": str(workspace.path)}
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    run_id = done.stdout.split()[0]
    yield run_id
    stop_run(workspace, run_id, now=True)


def test_nothing_is_sent_while_nothing_changes_and_little_for_a_key(workspace: Workspace) -> None:
    with started(workspace.path, 160, 48) as terminal:
        terminal.settle()
        assert terminal.written(3) == 0
        for key in (b"\x1b[B", b"\x1b[B", b"\x1b[A"):
            assert 0 < terminal.written(0.1, key) <= 1000
            assert 0 < terminal.written(1) <= 4000, "the summary follows when the cursor rests"


def test_a_live_run_sends_the_digits_that_change(workspace: Workspace, live: str) -> None:
    with started(workspace.path, 120, 40) as terminal:
        terminal.wait_for(b"running")
        terminal.written(3)
        assert 0 < terminal.written(6) * 10 / 1000 <= KILOBYTES_PER_MINUTE["list"]
        terminal.written(4, b"\r")
        assert 0 < terminal.written(6) * 10 / 1000 <= KILOBYTES_PER_MINUTE["run"]


def test_after_everything_was_written_again_the_terminal_shows_the_same(workspace: Workspace) -> None:
    with started(workspace.path, 100, 30) as terminal:
        terminal.settle()
        for keys in (b"\x1b[B\x1b[B", b"\x1b[6~", b"/relu", b"\x1b", b"\r", b"2", b"\x1b", b"?", b"\x1b"):
            terminal.written(0.6, keys)
        terminal.settle()
        screen = pyte.Screen(100, 30)
        stream = pyte.ByteStream(screen)
        stream.feed(bytes(terminal.output))
        shown = list(screen.display)
        before = len(terminal.output)
        terminal.written(1, b"\x0c")
        assert len(terminal.output) - before > 2000, "the whole screen"
        fresh = pyte.Screen(100, 30)
        pyte.ByteStream(fresh).feed(bytes(terminal.output[before:]))
        assert list(fresh.display) == shown
        assert any("yolov7" in line for line in shown)
