"""What a runner costs while its stage computes: `python -m pytest tests/bench/bench_runner.py -s`.

Prints a table for `docs/benchmarks.md`. The stage prints a training bar ten times a second and has eight workers, as a
training has; a second run waits for it.
"""

import os
import platform
import sys
import time
from pathlib import Path

import pytest

from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.run_folder import AttemptFolder, Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.supervise.ids import new_run_id
from engine.supervise.launch import launch
from engine.supervise.state import read_state
from engine.supervise.stop import request_stop

SECONDS = float(os.environ.get("YOLOQAT_BENCH_SECONDS", "60"))

TRAINING = """
import os, sys, time
for _ in range(8):
    if os.fork() == 0:
        time.sleep(3600)
step = 0
while True:
    step += 1
    sys.stderr.write(f'  0/29  11.2G  0.04  {step % 100:3d}%|####      | {step}/1000\\r')
    time.sleep(0.1)
"""


def resident_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def cpu_seconds(pid: int) -> float:
    """By the scheduler's own count, which is finer than the clock tick."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def start(workspace: Workspace, command: list[str], parents: tuple[str, ...] = ()) -> tuple[str, AttemptFolder, float]:
    """A run's id and attempt, and how long its launch took."""
    spec = RunSpec(id=new_run_id(), name="bench", stage=COMMAND, command=command, cwd="/", parents=list(parents))
    begun = time.perf_counter()
    attempt = launch(workspace, spec)
    return spec.id, attempt, time.perf_counter() - begun


@pytest.mark.bench
def test_cost_of_a_runner(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    training_id, training, launch_seconds = start(workspace, [sys.executable, "-S", "-c", TRAINING])
    _, queued, _ = start(workspace, ["true"], (training_id,))
    try:
        time.sleep(2)
        runners = {"running": training, "queued": queued}
        pids = {name: _runner(attempt) for name, attempt in runners.items()}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        time.sleep(SECONDS)
        print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {SECONDS:.0f} s")
        print("| runner | resident MB | CPU of one core |\n|---|---|---|")
        for name, pid in pids.items():
            share = 100 * (cpu_seconds(pid) - before[name]) / SECONDS
            print(f"| {name} | {resident_kilobytes(pid) / 1024:.1f} | {share:.3f} % |")
        print(f"\nlaunch, with git and package versions: {1000 * launch_seconds:.0f} ms")
        begun = time.process_time()
        for _ in range(1000):
            read_state(workspace.run(training_id))
        print(f"state of 1000 live runs: {1000 * (time.process_time() - begun):.0f} ms CPU")
    finally:
        request_stop(training, now=True)
        request_stop(queued)


def _runner(attempt: AttemptFolder) -> int:
    process = ProcessRecord.read(attempt.process)
    assert process is not None
    return process.runner.pid
