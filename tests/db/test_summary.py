"""The summary of a run: the same whether its epochs come one by one or all at once, and at the same cost each."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from db.curve import MOST_POINTS
from db.open import Store, file_connection, open_store
from db.reading.runs import get_run
from db.rows_of_facts import FactRows
from db.summary import refresh_summary
from db.views import RunView
from db.writer import write_attempt, write_facts
from engine.contracts.facts import EpochRow, Fact, ValidationRow
from tests.db.rows import add_run, an_attempt

RUN = "run"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path / "yoloqat.db")
    add_run(made, RUN)
    yield made
    made.close()


def epoch_facts(epoch: int, last: int, rate: str) -> list[Fact]:
    row = ValidationRow("all", 128, 900, {"P": "0.7", "mAP@.5:.95": rate}, epoch, epoch=epoch)
    return [EpochRow(epoch, last, {"box": "0.05", "total": "0.1"}, seconds=10 + epoch % 7), row]


def write(store: Store, attempt: int, facts: Sequence[Fact], *, incremental: bool = True) -> int:
    """Write facts as the follower of a log does; return how many thousands of SQLite's steps the summary took."""
    rows = FactRows.of(facts)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with store.writing(RUN) as connection:
        write_facts(connection, RUN, attempt, rows, 0)
        file_connection(connection).set_progress_handler(count, 1000)
        refresh_summary(connection, RUN, rows.changed_epochs if incremental else None)
        file_connection(connection).set_progress_handler(None, 0)
    return steps


def summary(store: Store) -> tuple[object, ...]:
    with store.reading() as connection:
        return tuple(connection.execute("SELECT * FROM run_summary").fetchone())


def view(store: Store) -> RunView:
    with store.reading() as connection:
        run = get_run(connection, RUN)
    assert run is not None
    return run


def test_an_epoch_costs_the_same_however_many_there_are(store: Store) -> None:
    write(store, 1, [fact for epoch in range(3000) for fact in epoch_facts(epoch, 9999, f"{epoch / 9999:.4f}")])
    few = write(store, 1, epoch_facts(3000, 9999, "0.5"))
    assert few <= 2
    assert write(store, 1, epoch_facts(3000, 9999, "0.5"), incremental=False) > 20 * max(few, 1), "what it would cost"


@pytest.mark.parametrize("seed", range(4))
def test_epochs_one_by_one_make_the_same_summary_as_all_at_once(store: Store, seed: int) -> None:
    draw = random.Random(seed)
    with store.writing(RUN) as connection:
        write_attempt(connection, an_attempt(RUN, 2))
    attempt, epoch = 1, 0
    while epoch < 2 * MOST_POINTS + 50:
        if draw.random() < 0.01:  # resumed from an earlier checkpoint
            attempt, epoch = 2, max(epoch - draw.randint(1, 9), 0)
        facts = epoch_facts(epoch, 999, f"{draw.random():.3f}")
        write(store, attempt, facts if draw.random() < 0.9 else facts[:1])
        if draw.random() < 0.1:  # a results file or an event tells the last epoch again
            write(store, attempt, epoch_facts(epoch, 999, f"{draw.random():.4f}"))
        if draw.random() < 0.05:
            before = summary(store)
            write(store, attempt, [], incremental=False)
            assert summary(store) == before
        epoch += 1 if draw.random() < 0.95 else 3


def test_the_curve_of_a_long_training_has_a_bounded_size(store: Store) -> None:
    write(store, 1, [fact for epoch in range(300) for fact in epoch_facts(epoch, 9999, f"{epoch / 10000:.4f}")])
    run = view(store)
    assert (len(run.map_curve), run.map_curve_step) == (150, 2)
    assert run.map_curve == pytest.approx([epoch / 10000 for epoch in range(1, 300, 2)])
    write(store, 1, [fact for epoch in range(300, 10000) for fact in epoch_facts(epoch, 9999, f"{epoch / 10000:.4f}")])
    run = view(store)
    assert len(run.map_curve) <= MOST_POINTS
    assert (run.map_curve[-1], run.best_epoch, run.epochs_done) == (0.9999, 9999, 10000)
