"""What the screen costs with many runs: `pytest tests/bench/bench_tui.py -s`. Prints numbers; gates nothing.

The same from outside, through a pseudo-terminal, needs a real workspace; these figures are of the screen alone.
"""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.application import YoloqatApp
from app.widgets.chart import Chart, Series, draw
from app.widgets.runs_table import RunsTable
from tests.app.tui.fakes import FakeBackend, pipeline_runs, run, until

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
            table.wanted = f"run-{i}"
        figures["filter keystroke, CPU ms"] = cpu_milliseconds(start) / 20
        table.wanted = ""
        start = time.process_time()
        await pilot.press(*["down"] * 20)
        figures["cursor key with its summary, CPU ms"] = cpu_milliseconds(start) / 20
    for name, value in figures.items():
        print(f"{name:<40} {value:8.1f}")


@pytest.mark.parametrize(("curves", "points"), [(1, 300), (8, 300), (8, 10_000)])
def test_charts(curves: int, points: int) -> None:
    series = tuple(
        Series(f"s{c}", tuple((float(i), (i * 37 + c) % 101 / 100) for i in range(points)), f"series{c % 6}")
        for c in range(curves)
    )
    start = time.process_time()
    draw(Chart("bench", series), 120, 30)
    print(f"chart of {curves} × {points} points, CPU ms {cpu_milliseconds(start):20.1f}")
