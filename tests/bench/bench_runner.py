"""Measure the cost of a runner while its stage computes: `python -m pytest tests/bench/bench_runner.py -s`.

Prints a table for `docs/benchmarks.md`. The stage prints a progress bar ten times a second and has eight workers, as
a training does; a second run waits for it.
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
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from engine.supervise.state.status import read_state
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
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time by the scheduler's count, which is finer than the clock tick."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def launch_timed(
    workspace: Workspace, command: list[str], parents: tuple[str, ...] = ()
) -> tuple[str, AttemptFolder, float]:
    """Launch a run; return its id, its attempt and the seconds that the launch took."""
    spec = RunSpec(id=new_run_id(), name="bench", stage=COMMAND, command=command, cwd="/", parents=list(parents))
    start = time.perf_counter()
    attempt = launch(workspace, spec)
    return spec.id, attempt, time.perf_counter() - start


@pytest.mark.bench
def test_cost_of_a_runner(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    training_id, training, launch_seconds = launch_timed(workspace, [sys.executable, "-S", "-c", TRAINING])
    _, queued, _ = launch_timed(workspace, ["true"], (training_id,))
    try:
        time.sleep(2)
        runners = {"running": training, "queued": queued}
        pids = {name: _runner_pid(attempt) for name, attempt in runners.items()}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        time.sleep(SECONDS)
        print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {SECONDS:.0f} s")
        print("| runner | resident MB | CPU of one core |\n|---|---|---|")
        for name, pid in pids.items():
            share = 100 * (cpu_seconds(pid) - before[name]) / SECONDS
            print(f"| {name} | {resident_kilobytes(pid) / 1024:.1f} | {share:.3f} % |")
        print(f"\nlaunch, with git and package versions: {1000 * launch_seconds:.0f} ms")
        start = time.process_time()
        for _ in range(1000):
            read_state(workspace.run(training_id))
        print(f"state of 1000 live runs: {1000 * (time.process_time() - start):.0f} ms CPU")
    finally:
        request_stop(training, now=True)
        request_stop(queued)


def _runner_pid(attempt: AttemptFolder) -> int:
    process = ProcessRecord.read(attempt.process)
    assert process is not None
    return process.runner.pid
