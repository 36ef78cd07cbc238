"""What runs took of the machine, from their samples to what people see."""

import json
from pathlib import Path

import pytest

from app.indexing.service import reindex, update_index
from app.indexing.usage import CURVE_POINTS, samples_of, usage_rows
from app.runs.reader import get_detail, wait_until_indexed
from app.runs.resource_usage import resource_usage_rows
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import COMMAND, RunSpec
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from tests.app.indexing.index_fixtures import add_folder, epochs_log, wait, workspace

__all__ = ["workspace"]


def sample(moment: float, load: float, **changes: object) -> str:
    """A line of `system.jsonl`, as the runner writes it."""
    gpu = {
        "index": "0",
        "utilization_percent": load,
        "memory_used_bytes": 9_800_000_000,
        "memory_bytes": 80_000_000_000,
    }
    gpu |= {"power_watts": 312.4, "temperature_celsius": 61, "run_memory_bytes": None}
    line = {"monotonic": moment, "cpu_percent": 340.0, "rss_bytes": 5_100_000_000, "host_cpu_percent": 41.0}
    line |= {"host_memory_used_bytes": 12_000_000_000, "host_memory_bytes": 24_000_000_000}
    return json.dumps({**line, "disk_free_bytes": 61_000_000_000, "gpus": [gpu], **changes})


def write(workspace: Workspace, *lines: str) -> str:
    """A run that has ended and left these samples. Returns its id."""
    folder = add_folder(workspace, epochs_log(0, 2), name="sampled")
    folder.attempt(1).system.write_text("\n".join(lines) + "\n")
    return folder.id


def test_people_are_told_in_words(workspace: Workspace) -> None:
    run_id = write(workspace, sample(100, 0), sample(105, 80), sample(110, 100))
    update_index(workspace)
    assert resource_usage_rows(get_detail(workspace, run_id).usage) == [
        ("GPU 0", "90 % (most 100 %), 9.80 GB of 80.0 GB, 312 W, 61 °C"),
        ("run", "3.4 cores (most 3.4), 5.10 GB of RAM at most"),
        ("host", "CPU 41 %, 12.0 GB of 24.0 GB of RAM at most, 61.0 GB of disk left"),
    ]


def test_a_mean_is_one_over_time_however_the_samples_were_thinned(workspace: Workspace) -> None:
    """The older half has every fourth sample; it still counts as much as the newer one."""
    dense = [sample(5.0 * n, 100 if n < 400 else 0) for n in range(800)]
    thinned = [line for n, line in enumerate(dense) if n >= 400 or n % 4 == 3]
    run_id = write(workspace, *thinned)
    update_index(workspace)
    load = next(row for row in get_detail(workspace, run_id).usage if row.key == "utilization_percent")
    assert load.mean == pytest.approx(50, abs=1)
    assert len(load.curve) == CURVE_POINTS
    assert load.curve[:55] == (100.0,) * 55
    assert load.curve[-55:] == (0.0,) * 55


def test_lines_that_a_full_disk_has_cut_and_strange_ones_are_passed_over(workspace: Workspace) -> None:
    whole = sample(105, 50)
    run_id = write(workspace, whole[:40], "[]", "null", '{"monotonic": "x"}', '{"monotonic": 1, "gpus": 3}', whole)
    update_index(workspace)
    assert [row.mean for row in get_detail(workspace, run_id).usage if row.key == "utilization_percent"] == [50]


def test_what_is_kept_is_little_however_long_it_ran(tmp_path: Path) -> None:
    def kept(count: int) -> int:
        path = tmp_path / f"{count}.jsonl"
        path.write_text("\n".join(sample(5.0 * n, n % 100) for n in range(count)))
        return sum(len(row.curve) for row in usage_rows("run", 1, samples_of(path)))

    assert kept(14_000) < 1.2 * kept(200)


def test_a_real_run_is_sampled_and_a_rebuilt_index_tells_the_same(workspace: Workspace) -> None:
    busy = "import time\nx = bytearray(200 << 20)\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass"
    spec = RunSpec(id=new_run_id(), name="busy", stage=COMMAND, command=["python3", "-S", "-c", busy], cwd="/")
    launch(workspace, spec, sample_seconds=0.2)
    wait(workspace, spec.id)
    wait_until_indexed(workspace, spec.id)
    before = get_detail(workspace, spec.id).usage
    rows = {(row.device, row.key): row for row in before}
    assert rows["run", "rss_bytes"].most > 200e6
    assert rows["run", "cpu_percent"].most > 20
    assert rows["host", "memory_bytes"].least > rows["host", "memory_used_bytes"].most > 0
    reindex(workspace)
    assert get_detail(workspace, spec.id).usage == before
