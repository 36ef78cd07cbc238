"""What reading costs: `python -m pytest tests/bench/bench_read.py -m bench -s`. Prints numbers; gates nothing.

CPU is that of the command and of every process that it has waited for, the index being current. `YOLOQAT_BENCH_BASE`
names another tree of this repository, whose commands take turns with ours on a workspace that they have indexed
themselves; its version of the database differs, so that each has a copy of its own.
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
TIMES = 7
BASE = os.environ.get("YOLOQAT_BENCH_BASE")
SETTLE_SECONDS = 6.0
READY_SECONDS = 120.0


def environment(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "120", "TERM": "xterm-256color"}


def cpu_seconds(tree: Path, *arguments: str) -> float:
    """User and system time of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-P", "-m", "app.cli.main", *arguments]
    subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def workspaces(folder: Path, runs: int) -> dict[Path, Workspace]:
    """Tree → a workspace that it has indexed."""
    made = {REPOSITORY: make_workspace(folder / "ours", runs, EPOCHS)}
    if BASE:
        shutil.copytree(folder / "ours", folder / "base")
        made[Path(BASE)] = Workspace(folder / "base")
    for tree, workspace in made.items():
        cpu_seconds(tree, "reindex", "--workspace", str(workspace.path))
    return made


@pytest.mark.parametrize("runs", [30, 1000])
def test_cpu_of_commands_that_read(tmp_path: Path, runs: int) -> None:
    made = workspaces(tmp_path, runs)
    name = min(folder.id for folder in made[REPOSITORY].run_folders())
    for command in (["ls"], ["ls", "--json"], ["show", name], ["compare", name], ["log", name], ["queue"]):
        found: dict[Path, list[float]] = {tree: [] for tree in made}
        for _ in range(TIMES):
            for tree, workspace in made.items():
                found[tree].append(cpu_seconds(tree, *command, "--workspace", str(workspace.path)))
        cells = (f"{min(one):.2f} ({statistics.median(one):.2f})" for one in found.values())
        print(f"\n| {runs} | `{' '.join(command).replace(name, 'RUN')}` | {' | '.join(cells)} |", end="")
    if runs == 1000:
        for tree, workspace in made.items():
            print(f"\n| {runs} | the screen of {tree.name} | {screen(tree, workspace)} |")


def screen(tree: Path, workspace: Workspace) -> str:
    """Resident memory of the screen's process a while after the runs have been shown."""
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
