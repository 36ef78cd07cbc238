"""Measure what one more epoch costs: `python -m pytest tests/bench/bench_epochs.py -m bench -s`.

It prints numbers and sets no limit. A log of 300, 3,000 or 10,000 epochs has been read; then one epoch after the other
is appended, and the indexer's follower and a reader that asks for changes take each in.
"""

import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from app.following.log_follower import LogFollower
from app.indexing.service import open_index
from app.runs.reader import get_detail, runs_since
from db.views import NEVER
from db.writer import write_run
from engine.contracts.run_folder import Workspace
from tests.bench.workspace_maker import log_lines, make_run
from tests.db.rows import a_run

pytestmark = pytest.mark.bench
EPOCHS = 40
LONGEST = 20_000


def milliseconds(call: Callable[[], object]) -> float:
    """CPU time of a call."""
    began = time.process_time()
    call()
    return 1000 * (time.process_time() - began)


@pytest.mark.parametrize("recorded", [300, 3_000, 10_000])
def test_cost_of_one_more_epoch(tmp_path: Path, recorded: int) -> None:
    workspace = Workspace(tmp_path)
    folder = make_run(workspace, 0, 1, random.Random(0))
    lines = list(log_lines(recorded + EPOCHS, LONGEST, random.Random(0)))
    size = 2 + 4 * recorded
    console = folder.attempt(1).console
    console.write_text("\n".join(lines[:size]) + "\n", encoding="utf-8")
    store = open_index(workspace)
    with store.writing(folder.id) as connection:
        write_run(connection, a_run(folder.id, name="long", state="running"), [], [])
    follower = LogFollower(folder.id, 1, console)
    follower.update_index(store, finish=False)
    version = runs_since(workspace, NEVER).version
    indexing, reading, opening = [], [], []
    detail = get_detail(workspace, folder.id, wait_seconds=0)
    for epoch in range(EPOCHS):
        begin = size + 4 * epoch
        with console.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines[begin : begin + 4]) + "\n")
        indexing.append(milliseconds(lambda: follower.update_index(store, finish=False)))
        reading.append(milliseconds(partial(runs_since, workspace, version)))
        version = runs_since(workspace, NEVER).version
        opening.append(milliseconds(partial(get_detail, workspace, folder.id, wait_seconds=0, previous=detail)))
        detail = get_detail(workspace, folder.id, wait_seconds=0, previous=detail)
    first = min(milliseconds(lambda: get_detail(workspace, folder.id, wait_seconds=0)) for _ in range(3))
    store.close()
    cells = " | ".join(f"{statistics.median(values):.1f} ms" for values in (indexing, reading, opening))
    cells += f" | {first:.0f} ms"
    print(f"\n| {recorded} | {cells} |", end="")
