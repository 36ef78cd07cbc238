"""Measure the indexer's cost and delay: `python -m pytest tests/bench/bench_indexer.py -m bench -s`.

One run, or eight at once, print YOLOv7's output: a redrawn progress bar, and the validation row at the end of each
epoch. They record when they printed it; the database is polled every few milliseconds for the row.
"""

import json
import os
import sqlite3
import statistics
import sys
import time
from pathlib import Path

import pytest

from app.indexing.service import ensure_indexer
from app.launching.stop import stop_run
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from tests.bench.bench_runner import cpu_seconds, resident_kilobytes

SECONDS = float(os.environ.get("YOLOQAT_BENCH_SECONDS", "60"))
EPOCH_SECONDS = 5.0
POLL_SECONDS = 0.005

TRAINING = """
import json, random, sys, time
redraws, epoch_seconds, noted = float(sys.argv[1]), float(sys.argv[2]), open(sys.argv[3], "w")
time.sleep(random.uniform(0, epoch_seconds))
print("Starting training for 300 epochs...", flush=True)
steps = max(int(redraws * epoch_seconds), 1)
head = ("%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")
names = ("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95")
for epoch in range(300):
    print("\\n" + head, file=sys.stderr)
    for step in range(1, steps + 1):
        losses = ("%10s" * 2 + "%10.4g" * 6) % (f"{epoch}/299", "7.5G", 0.05, 0.02, 0.01, 0.08, 132, 640)
        bar = f"{100 * step // steps:3d}%|##########| {step}/{steps} [00:10<00:05,  3.41it/s]"
        print(f"\\r{losses}: {bar}", end="", file=sys.stderr, flush=True)
        time.sleep(epoch_seconds / steps)
    print("\\n" + names, file=sys.stderr, flush=True)
    print(("%20s" + "%12i" * 2 + "%12.3g" * 4) % ("all", 128, 900, 0.5, 0.4, 0.3, 0.2), flush=True)
    noted.write(json.dumps([epoch, time.monotonic()]) + "\\n")
    noted.flush()
"""


def start_runs(workspace: Workspace, folder: Path, runs: int, redraws: float) -> dict[str, Path]:
    """Start the runs; return run id → the file in which the run records when it printed each epoch."""
    files = {}
    for number in range(runs):
        times_file = folder / f"times-{number}"
        argv = [sys.executable, "-S", "-c", TRAINING, str(redraws), str(EPOCH_SECONDS), str(times_file)]
        spec = RunSpec(id=new_run_id(), name=f"run{number}", stage=COMMAND, command=argv, cwd="/")
        launch(workspace, spec)
        files[spec.id] = times_file
    return files


def arrivals(workspace: Workspace, seconds: float) -> dict[tuple[str, int], float]:
    """Poll the database; return (run id, epoch) → when its row was first there, by the monotonic clock."""
    arrived: dict[tuple[str, int], float] = {}
    database = sqlite3.connect(f"file:{workspace.database}?mode=ro", uri=True)
    end = time.monotonic() + seconds
    version = -1
    while time.monotonic() < end:
        now = int(database.execute("PRAGMA data_version").fetchone()[0])
        if now != version:
            version = now
            rows = database.execute("SELECT run_id, epoch FROM metric WHERE key = 'mAP@.5:.95'").fetchall()
            moment = time.monotonic()
            for row in rows:
                arrived.setdefault((row[0], row[1]), moment)
        time.sleep(POLL_SECONDS)
    database.close()
    return arrived


@pytest.mark.bench
@pytest.mark.parametrize(("runs", "redraws"), [(1, 3.4), (8, 3.4), (8, 10.0)])
def test_cost_and_latency_of_the_indexer(tmp_path: Path, runs: int, redraws: float) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.runs.mkdir(parents=True)
    files = start_runs(workspace, tmp_path, runs, redraws)
    try:
        ensure_indexer(workspace)
        time.sleep(3)
        indexer = int(workspace.indexer_lock.read_text())
        before, start = cpu_seconds(indexer), time.monotonic()
        arrived = arrivals(workspace, SECONDS)
        share = 100 * (cpu_seconds(indexer) - before) / (time.monotonic() - start)
        printed = {
            (run_id, epoch): moment
            for run_id, path in files.items()
            for epoch, moment in map(json.loads, path.read_text().splitlines())
            if start < moment < start + SECONDS - 2
        }
        missing = printed.keys() - arrived.keys()
        assert not missing
        delays = sorted(1000 * (arrived[key] - moment) for key, moment in printed.items())
        p95 = delays[int(0.95 * (len(delays) - 1))]
        print(f"\n{runs} runs, {redraws:g} redraws/s, an epoch each {EPOCH_SECONDS:g} s, {SECONDS:.0f} s")
        print(f"| CPU of the indexer | {share:.2f} % of a core, {share / runs:.2f} % per run |")
        print(f"| memory | {resident_kilobytes(indexer) / 1024:.0f} MB |")
        print(f"| line to row, {len(delays)} rows | p50 {statistics.median(delays):.0f} ms, p95 {p95:.0f} ms |")
        print(f"| longest | {delays[-1]:.0f} ms |")
    finally:
        for run_id in files:
            stop_run(workspace, run_id, now=True)
