"""Measure how fast logs become rows: `python -m pytest -m bench -s tests/bench/bench_logs.py`.

Repeats each real log to 1 GB (`YOLOQAT_BENCH_LOG_BYTES`), and indexes it as an ended run in a separate process, from
the first byte to the last committed row. Prints a table for `docs/benchmarks.md`.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.following.log_tail import tail
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.logs.lexer.lines import LineSplitter

SIZE = int(float(os.environ.get("YOLOQAT_BENCH_LOG_BYTES", "1e9")))
TIMES = 3
LOGS = {
    "yolov7-tiny-nohup.out": 300,
    "yolov5-nohup.out": 300,
    "yolov5-early-stop.out": 175,
    "ultralytics-killed.log": 0,
}
"""Logs written by nohup, with redraws, and the number of epochs in each."""

INDEX = """
import contextlib, json, resource, sys, time
from pathlib import Path

from app.indexing.indexer import Indexer
from db.open import open_store
from engine.contracts.run_folder import Workspace

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

idle = Workspace(Path(sys.argv[1]))
with contextlib.closing(open_store(idle.database)) as store:
    Indexer(idle, store).index_runs(everywhere=True)
workspace = Workspace(Path(sys.argv[2]))
with contextlib.closing(open_store(workspace.database)) as store:
    indexer = Indexer(workspace, store)
    before = resident()
    cpu, wall = time.process_time(), time.perf_counter()
    indexer.index_runs(everywhere=True)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    with store.reading() as connection:
        epochs = connection.execute("SELECT count(*) FROM epoch").fetchone()[0]
print(json.dumps({"cpu": cpu, "wall": wall, "grown": grown, "epochs": epochs}))
"""


def workspace_with(path: Path, log: bytes, size: int) -> tuple[Workspace, Path]:
    """Create a workspace with sample run whose log is `log`, repeated up to `size`; return it and the log's path."""
    workspace = Workspace(path)
    attempt = workspace.run("20260101-000000-bench").attempt(1)
    attempt.path.mkdir(parents=True)
    with attempt.console.open("wb") as file:
        for _ in range(max(1, round(size / len(log)))):
            file.write(log)
    run = workspace.run("20260101-000000-bench")
    RunSpec(id=run.id, name="bench", stage=COMMAND, source="imported").write(run.spec)
    return workspace, attempt.console


@pytest.mark.bench
def test_speed_of_indexing(tmp_path: Path, shared: Path) -> None:
    print(
        "\n\n| log | size | lines a MB | from bytes to rows, best (median) of 3 | memory | last 200 lines |"
        "\n|---|---|---|---|---|---|"
    )
    for name, epochs in LOGS.items():
        data = (shared / "logs" / name).read_bytes()
        idle, _ = workspace_with(tmp_path / f"idle-{name}", data[: 1 << 16], 0)
        workspace, console = workspace_with(tmp_path / name, data, SIZE)
        start = time.perf_counter()
        lines = tail(console, 200)
        tail_seconds = time.perf_counter() - start
        command = [sys.executable, "-P", "-c", INDEX, str(idle.path), str(workspace.path)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        samples = []
        for _ in range(TIMES):
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
            samples.append(json.loads(done.stdout))
            for database in workspace.path.glob("yoloqat.db*"):
                database.unlink()
        size = console.stat().st_size
        console.unlink()
        assert {sample["epochs"] for sample in samples} == {epochs}
        assert len(lines) == 200
        rates = sorted(size / sample["wall"] / 1e6 for sample in samples)
        speed = f"{rates[-1]:.0f} ({rates[len(rates) // 2]:.0f}) MB/s"
        lines_a_megabyte = len(LineSplitter().feed(data)) / len(data) * 1e6
        print(
            f"| `{name}` | {size / 1e6:.0f} MB | {lines_a_megabyte:.0f} | {speed}"
            f" | +{max(sample['grown'] for sample in samples) / 1e6:.1f} MB | {tail_seconds * 1e3:.0f} ms |"
        )
