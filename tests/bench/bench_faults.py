"""How soon the list tells the truth after a fault: `python -m pytest tests/bench/bench_faults.py -m bench -s`.

Asks as a user does, with `yoloqat ls --json` again and again; prints the table of `docs/benchmarks.md`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.contracts.process import ProcessRecord
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.supervise.ids import new_run_id
from engine.supervise.launch import launch

TRAIN = "for i in range(600):\n print('row', i, flush=True); time.sleep(0.1)"
Fault = Callable[[Workspace, str], None]


def kill(*who: str) -> Fault:
    def do(workspace: Workspace, run_id: str) -> None:
        record = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
        assert record is not None
        assert record.stage is not None
        for name in who:
            os.kill(getattr(record, name).pid, signal.SIGKILL)

    return do


def other_boot(workspace: Workspace, run_id: str) -> None:
    """What the files look like after a reboot: processes gone, another boot id."""
    path = workspace.run(run_id).attempt(1).process
    record = json.loads(path.read_text())
    kill("runner", "stage")(workspace, run_id)
    time.sleep(0.3)
    for name in ("runner", "stage"):
        record[name]["boot_id"] = "00000000-0000-0000-0000-000000000000"
    path.write_text(json.dumps(record))


def nothing(workspace: Workspace, run_id: str) -> None:
    """The script does it itself."""


def delete(workspace: Workspace, run_id: str) -> None:
    shutil.rmtree(workspace.run(run_id).path)


FAULTS: tuple[tuple[str, str, dict[str, str], Fault, str], ...] = (
    ("exits 0", "time.sleep(1)", {}, nothing, "succeeded"),
    ("exits 0 without its artifact", "time.sleep(1)", {"best": "weights/best.pt"}, nothing, "failed"),
    ("exits 3", "time.sleep(1); sys.exit(3)", {}, nothing, "failed"),
    ("is killed", TRAIN, {}, kill("stage"), "killed"),
    ("CUDA out of memory", "time.sleep(1); raise RuntimeError('CUDA out of memory.')", {}, nothing, "out of memory"),
    ("runner killed, stage lives", TRAIN, {}, kill("runner"), "running"),
    ("both killed", TRAIN, {}, kill("runner", "stage"), "ended"),
    ("reboot", TRAIN, {}, other_boot, "lost"),
    ("run folder deleted", TRAIN, {}, delete, "gone"),
)


def listed(workspace: Workspace, run_id: str) -> tuple[str, str]:
    command = [sys.executable, "-m", "app.cli.main", "ls", "--json", "--workspace", str(workspace.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    runs = {run["id"]: run for run in json.loads(done.stdout)["runs"]}
    return (runs[run_id]["state"], runs[run_id]["reason"]) if run_id in runs else ("gone", "")


@pytest.mark.bench
@pytest.mark.parametrize(("name", "script", "artifacts", "fault", "state"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_delay(tmp_path: Path, name: str, script: str, artifacts: dict[str, str], fault: Fault, state: str) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.runs.mkdir(parents=True)
    argv = [sys.executable, "-c", f"import sys, time\n{script}"]
    spec = RunSpec(id=new_run_id(), name="x", stage=COMMAND, command=argv, cwd="/", artifacts=artifacts)
    launch(workspace, spec)
    time.sleep(1.0)
    fault(workspace, spec.id)
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        found, reason = listed(workspace, spec.id)
        if found == state and (state != "running" or "lost" in reason):
            break
        assert asked - began < 20, (found, reason)
    print(f"\n| {name} | {found} | {reason[:60]} | {time.monotonic() - began:.1f} s |")
    record = ProcessRecord.read(workspace.run(spec.id).attempt(1).process)
    if record is not None and record.stage is not None and state == "running":
        os.kill(record.stage.pid, signal.SIGKILL)
