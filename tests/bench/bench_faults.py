"""Measure how soon `ls` shows a fault: `python -m pytest tests/bench/bench_faults.py -m bench -s`.

Calls `yoloqat ls --json` repeatedly, as a user would; prints the table for `docs/benchmarks.md`.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch

BEGIN = """
import sys, time
def epoch(number):
    print(("%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size"))
    print(("%10s" * 2 + "%10.4g" * 6) % (f"{number}/599", "1.2G", 0.1, 0.02, 0.01, 0.13, 12, 640) + ": 100%|##| 2/2")
    print(("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95"))
    print(("%20s" + "%12i" * 2 + "%12.3g" * 4) % ("all", 128, 900, 0.5, 0.4, 0.3, 0.2), flush=True)
print("Starting training for 600 epochs...")
for number in range(5): epoch(number)
"""
TRAIN = "for number in range(5, 600): epoch(number); time.sleep(0.1)"
GO = "import os\nwhile not os.path.exists('go'): time.sleep(0.02)\nsys.exit(3)"
FINISH = f"{GO.replace('sys.exit(3)', '')}open(os.environ['YOLOQAT_ATTEMPT'] + '/../../result.json', 'w').write('{{}}')"
"""Waits, then writes `result.json` as a stage of ours does at its end, after its runner was killed."""
HUNGRY = "x = []\ntime.sleep(1)\nwhile True: x.append(bytearray(8 << 20))"
MEMORY_BYTES = 160 << 20
Fault = Callable[[Workspace, str], None]


def kill(*names: str) -> Fault:
    """Return a fault that kills these processes of the run: `runner`, `stage`."""

    def do(workspace: Workspace, run_id: str) -> None:
        record = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
        assert record is not None
        assert record.stage is not None
        for name in names:
            os.kill(getattr(record, name).pid, signal.SIGKILL)

    return do


def other_boot(workspace: Workspace, run_id: str) -> None:
    """Make the files look like after a reboot: processes dead, another boot id."""
    path = workspace.run(run_id).attempt(1).process
    record = json.loads(path.read_text())
    kill("runner", "stage")(workspace, run_id)
    time.sleep(0.3)
    for name in ("runner", "stage"):
        record[name]["boot_id"] = "00000000-0000-0000-0000-000000000000"
    path.write_text(json.dumps(record))


def reused_pid(workspace: Workspace, run_id: str) -> None:
    """Make the files look as if other programs had taken the PIDs of runner and stage."""
    path = workspace.run(run_id).attempt(1).process
    record = json.loads(path.read_text())
    kill("runner", "stage")(workspace, run_id)
    time.sleep(0.3)
    for name in ("runner", "stage"):
        record[name]["pid"] = os.getpid()
    path.write_text(json.dumps(record))


def fill_disk(workspace: Workspace, run_id: str) -> None:
    """Fill the disk to the last byte, then let the script fail."""
    with (workspace.path / "everything-else").open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    (workspace.path.parent / "go").touch()


def move_clock(hours: int) -> Fault:
    """Return a fault that dates the files as if the clock had been moved, then lets the script end."""

    def do(workspace: Workspace, run_id: str) -> None:
        moved = time.time() - 3600 * hours
        for path in workspace.run(run_id).attempt(1).path.iterdir():
            os.utime(path, (moved, moved))
        (workspace.path.parent / "go").touch()

    return do


def orphan(workspace: Workspace, run_id: str) -> None:
    """Kill the runner, then let the script end."""
    kill("runner")(workspace, run_id)
    (workspace.path.parent / "go").touch()


def no_fault(workspace: Workspace, run_id: str) -> None:
    """Do no_fault: the script itself fails."""


def delete(workspace: Workspace, run_id: str) -> None:
    """Delete the run folder."""
    shutil.rmtree(workspace.run(run_id).path)


FAULTS: tuple[tuple[str, str, dict[str, str], Fault, str], ...] = (
    ("exits 0", "time.sleep(1)", {}, no_fault, "succeeded"),
    ("exits 0 without its artifact", "time.sleep(1)", {"best": "weights/best.pt"}, no_fault, "failed"),
    ("exits 3", "time.sleep(1); sys.exit(3)", {}, no_fault, "failed"),
    ("is killed", TRAIN, {}, kill("stage"), "killed"),
    ("CUDA out of memory", "time.sleep(1); raise RuntimeError('CUDA out of memory.')", {}, no_fault, "out of memory"),
    ("runner killed, stage lives", TRAIN, {}, kill("runner"), "running"),
    ("runner killed, then a command ends", GO, {}, orphan, "ended"),
    ("runner killed, then a stage of ours ends", FINISH, {}, orphan, "succeeded"),
    ("both killed", TRAIN, {}, kill("runner", "stage"), "ended"),
    ("reboot", TRAIN, {}, other_boot, "lost"),
    ("pid reused by another program", TRAIN, {}, reused_pid, "ended"),
    ("clock put forward by 1 h, then exits 3", GO, {}, move_clock(1), "failed"),
    ("clock put back by 1 h, then exits 3", GO, {}, move_clock(-1), "failed"),
    ("disk full, then exits 3", GO, {}, fill_disk, "failed"),
    ("killed by the kernel for memory", HUNGRY, {}, no_fault, "out of memory"),
    ("run folder deleted", TRAIN, {}, delete, "gone"),
)


def listed_run(workspace: Workspace, run_id: str) -> tuple[str, str, list[str]]:
    """Return state, reason and the end of the log, as `ls` shows them."""
    command = [sys.executable, "-m", "app.cli.main", "ls", "--json", "--workspace", str(workspace.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    runs = {run["id"]: run for run in json.loads(done.stdout)["runs"]}
    run = runs.get(run_id, {"state": "gone", "reason": "", "log_tail": []})
    return run["state"], run["reason"], run["log_tail"]


def rows_lost(workspace: Workspace, run_id: str) -> str:
    """Count the epochs that are in the log but not in the database, and check that none is there twice."""
    folder = workspace.run(run_id)
    if not folder.path.exists():
        return "–"
    (workspace.path / "everything-else").unlink(missing_ok=True)
    printed = len(re.findall(rb"^ +all +128", folder.attempt(1).console.read_bytes(), re.MULTILINE))
    command = [sys.executable, "-m", "app.cli.main", "show", run_id, "--json", "--workspace", str(workspace.path)]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["epochs"]
    assert [epoch["epoch"] for epoch in shown] == list(range(len(shown)))
    assert len(shown) >= 5
    return str(max(printed - len(shown), 0))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 4 MB; skip where that is not allowed."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=4m none {folder} 2>/dev/null") != 0:
        pytest.skip("mounting a file system is not allowed")
    yield folder
    os.system(f"umount -l {folder}")


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Put what is launched inside the context into a memory cgroup with a small_disk limit."""
    line = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if "memory" in line or "::" in line)
    _, controllers, path = line.split(":", 2)
    root = Path("/sys/fs/cgroup", "memory" if controllers else "", path.lstrip("/"))
    group = root / f"yoloqat-bench-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if controllers else "memory.max")).write_text(str(MEMORY_BYTES))
    except OSError:
        pytest.skip("creating a memory cgroup is not allowed")
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (root / "cgroup.procs").write_text(str(os.getpid()))


@pytest.mark.bench
@pytest.mark.parametrize(("name", "script", "artifacts", "fault", "state"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_delay(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    name: str,
    script: str,
    artifacts: dict[str, str],
    fault: Fault,
    state: str,
) -> None:
    folder = request.getfixturevalue("small_disk") if fault is fill_disk else tmp_path
    workspace = Workspace(folder / "workspace")
    workspace.runs.mkdir(parents=True)
    argv = [sys.executable, "-c", BEGIN + script]
    stage = "retrain" if script == FINISH else COMMAND
    spec = RunSpec(id=new_run_id(), name="x", stage=stage, command=argv, cwd=str(folder), artifacts=artifacts)
    with limited_memory() if script == HUNGRY else contextlib.nullcontext():
        launch(workspace, spec)
    time.sleep(1.0)
    fault(workspace, spec.id)
    start = time.monotonic()
    while True:
        call_start = time.monotonic()
        shown_state, reason, tail = listed_run(workspace, spec.id)
        if shown_state == state and (state != "running" or "lost" in reason):
            break
        assert call_start - start < 20, (shown_state, reason)
    delay = time.monotonic() - start
    assert delay < 5
    assert tail or state == "gone"
    print(f"\n| {name} | {shown_state} | {reason[:70]} | {delay:.1f} s | {rows_lost(workspace, spec.id)} |")
    record = ProcessRecord.read(workspace.run(spec.id).attempt(1).process)
    if record is not None and record.stage is not None and state == "running":
        os.kill(record.stage.pid, signal.SIGKILL)
