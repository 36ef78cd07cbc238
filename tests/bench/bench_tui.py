"""Measure the cost of the screen with many runs: `pytest tests/bench/bench_tui.py -s`. It prints numbers, no limits.

The figures are of the screen alone, without a terminal.
"""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.backend.local import LocalBackend
from app.runs.query.filter import parse_filter
from app.screens.run import RunScreen
from app.widgets.charts.chart import Chart, Series, draw
from app.widgets.runs.runs_table import RunsTable
from tests.app.tui.fakes import FakeBackend, pipeline_runs, run, screen_text, until
from tests.bench.bench_logs import LOGS, SIZE, workspace_with

pytestmark = pytest.mark.bench
RUNS = 1000


def cpu_milliseconds(start: float) -> float:
    return (time.process_time() - start) * 1e3


async def test_a_thousand_runs(tmp_path: Path) -> None:
    backend = FakeBackend(tmp_path, (*pipeline_runs(), *(run(f"run-{i}", minutes_ago=200 + i) for i in range(RUNS))))
    app = YoloqatApp(lambda: backend)
    figures: dict[str, float] = {}
    start = time.process_time()
    async with app.run_test(size=(160, 50)) as pilot:
        await until(pilot, lambda: len(app.runs) == RUNS + 5)
        figures["start to table, CPU ms"] = cpu_milliseconds(start)
        table = app.screen.query_one(RunsTable)
        start = time.process_time()
        for i in range(20):
            table.runs = tuple(replace(r, eta_seconds=60.0 * i) if r.state.is_live else r for r in app.runs)
        figures["update of the live runs, CPU ms"] = cpu_milliseconds(start) / 20
        start = time.process_time()
        for i in range(20):
            table.filter = parse_filter(f"run-{i}", app.backend)
        figures["filter keystroke, CPU ms"] = cpu_milliseconds(start) / 20
        table.filter = None
        start = time.process_time()
        await pilot.press(*["down"] * 20)
        figures["cursor key with its summary, CPU ms"] = cpu_milliseconds(start) / 20
    for name, value in figures.items():
        print(f"{name:<40} {value:8.1f}")


@pytest.mark.parametrize("name", list(LOGS)[:3])
async def test_the_end_of_a_large_log(tmp_path: Path, shared: Path, name: str) -> None:
    """Time from opening a run that is not indexed yet to the last line of its log on the screen."""
    workspace, console = workspace_with(tmp_path / "workspace", (shared / "logs" / name).read_bytes(), SIZE)
    app = YoloqatApp(lambda: LocalBackend.open(str(workspace.path)))
    samples = []
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.runs, seconds=60)
        for number in range(5):
            with console.open("a") as file:
                file.write(f"\nthe very last line {number}\n")
            screen = RunScreen(app.runs[0].id, pane="log")
            start = time.perf_counter()
            app.push_screen(screen)
            while f"the very last line {number}" not in screen_text(app):
                await pilot.pause(0.005)
                assert time.perf_counter() - start < 60
            samples.append(time.perf_counter() - start)
            app.pop_screen()
            await pilot.pause()
    size = console.stat().st_size / 1e6
    console.unlink()
    milliseconds = " ".join(f"{1e3 * seconds:.0f}" for seconds in samples)
    print(f"end of {name} at {size:.0f} MB on the screen, ms: {milliseconds}")


@pytest.mark.parametrize(("curves", "points"), [(1, 300), (8, 300), (8, 10_000)])
def test_charts(curves: int, points: int) -> None:
    series = tuple(
        Series(f"s{c}", tuple((float(i), (i * 37 + c) % 101 / 100) for i in range(points)), f"series{c % 6}")
        for c in range(curves)
    )
    start = time.process_time()
    draw(Chart("bench", series), 120, 30)
    print(f"chart of {curves} × {points} points, CPU ms {cpu_milliseconds(start):20.1f}")
