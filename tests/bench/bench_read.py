"""Measure the cost of reading: `python -m pytest tests/bench/bench_read.py -m bench -s`.

It prints numbers and sets no limit. CPU time is that of the command and of every process that it waited for, with a
current index. `YOLOQAT_BENCH_BASE` names another tree of this repository to compare with: its commands run in turn
with ours, on a copy of the workspace that it indexed itself, since its database version differs.
"""

import fcntl
import os
import pty
import resource
import select
import shutil
import statistics
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from engine.contracts.run_folder import Workspace
from tests.bench.workspace_maker import make_workspace
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.bench
EPOCHS = int(os.environ.get("YOLOQAT_BENCH_EPOCHS", "300"))
REPETITIONS = 7
BASE = os.environ.get("YOLOQAT_BENCH_BASE")
SETTLE_SECONDS = 6.0
READY_SECONDS = 120.0


def environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "120", "TERM": "xterm-256color"}


def cpu_seconds(tree: Path, *arguments: str) -> float:
    """Run a command; return the user and system time of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-P", "-m", "app.cli.main", *arguments]
    subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def workspaces(folder: Path, runs: int) -> dict[Path, Workspace]:
    """Create workspaces; return tree → the workspace that it has indexed."""
    workspace_by_tree = {REPOSITORY: make_workspace(folder / "ours", runs, EPOCHS)}
    if BASE:
        shutil.copytree(folder / "ours", folder / "base")
        workspace_by_tree[Path(BASE)] = Workspace(folder / "base")
    for tree, workspace in workspace_by_tree.items():
        cpu_seconds(tree, "reindex", "--workspace", str(workspace.path))
    return workspace_by_tree


@pytest.mark.parametrize("runs", [30, 1000])
def test_cpu_of_commands_that_read(tmp_path: Path, runs: int) -> None:
    workspace_by_tree = workspaces(tmp_path, runs)
    name = min(folder.id for folder in workspace_by_tree[REPOSITORY].run_folders())
    for command in (["ls"], ["ls", "--json"], ["show", name], ["compare", name], ["log", name], ["queue"]):
        samples: dict[Path, list[float]] = {tree: [] for tree in workspace_by_tree}
        for _ in range(REPETITIONS):
            for tree, workspace in workspace_by_tree.items():
                samples[tree].append(cpu_seconds(tree, *command, "--workspace", str(workspace.path)))
        cells = (f"{min(seconds):.2f} ({statistics.median(seconds):.2f})" for seconds in samples.values())
        print(f"\n| {runs} | `{' '.join(command).replace(name, 'RUN')}` | {' | '.join(cells)} |", end="")
    if runs == 1000:
        for tree, workspace in workspace_by_tree.items():
            print(f"\n| {runs} | the screen of {tree.name} | {screen_memory(tree, workspace)} |")


def screen_memory(tree: Path, workspace: Workspace) -> str:
    """Open the screen; return the resident memory of its process some seconds after it shows the runs."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tree)
        command = [sys.executable, "-P", "-m", "app.tui", "--workspace", str(workspace.path)]
        os.execve(sys.executable, command, environment(tree))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))
    shown, end = b"", time.monotonic() + READY_SECONDS
    while b"yolov7-tiny" not in shown:
        assert time.monotonic() < end
        shown += _read(terminal)
    settled = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < settled:
        _read(terminal)
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    megabytes = {line.split()[0]: int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("Vm")}
    os.write(terminal, b"q")
    while _read(terminal):
        pass
    os.close(terminal)
    os.waitpid(pid, 0)
    return f"{megabytes['VmRSS:']:.0f} MB, at most {megabytes['VmHWM:']:.0f} MB"


def _read(terminal: int) -> bytes:
    try:
        ready, _, _ = select.select([terminal], [], [], 0.5)
        return os.read(terminal, 65536) if ready else b""
    except OSError:
        return b""
