"""A run that is read again: what is new is read, the rest is taken over, and both together are what is there."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from db.open import Store, file_connection, open_store
from db.reading.detail import get_detail
from db.results import write_results
from db.rows_of_facts import FactRows, printed
from db.tables import ResultsFile
from db.views import RunDetail
from db.writer import clear_attempt, delete_run, write_attempt, write_facts
from engine.contracts.facts import EpochRow, Fact, ValidationRow
from tests.db.rows import add_run, an_attempt

RUN = "run"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path / "yoloqat.db")
    add_run(made, RUN)
    with made.writing(RUN) as connection:
        write_attempt(connection, an_attempt(RUN, 2))
    yield made
    made.close()


def epochs(numbers: Sequence[int], text: str) -> list[Fact]:
    facts: list[Fact] = []
    for number in numbers:
        facts.append(EpochRow(number, 9999, {"box": text, "total": "0.1"}, seconds=10))
        facts.append(ValidationRow("all", 128, 900, {"P": "0.7", "mAP@.5:.95": text}, number, epoch=number))
    return facts


def write(store: Store, attempt: int, facts: Sequence[Fact]) -> None:
    with store.writing(RUN) as connection:
        write_facts(connection, RUN, attempt, FactRows.of(facts), 0)


def read(store: Store, previous: RunDetail | None = None) -> RunDetail:
    with store.reading() as connection:
        detail = get_detail(connection, RUN, previous)
    assert detail is not None
    return detail


def steps(store: Store, previous: RunDetail) -> int:
    """How many hundreds of SQLite's steps a reading takes."""
    count = 0

    def note() -> None:
        nonlocal count
        count += 1

    with store.reading() as connection:
        connection.set_progress_handler(note, 100)
        get_detail(connection, RUN, previous)
        connection.set_progress_handler(None, 0)
    return count


def test_one_more_epoch_costs_the_same_however_many_there_are_and_the_others_are_kept(store: Store) -> None:
    write(store, 1, epochs(range(3000), "0.25"))
    before = read(store)
    write(store, 1, epochs([3000], "0.5"))
    now = read(store, before)
    assert len(now.epochs) == 3001
    assert all(one is other for one, other in zip(before.epochs, now.epochs, strict=False))
    assert steps(store, before) < 20


@pytest.mark.parametrize("seed", range(6))
def test_readings_one_upon_the_other_are_what_is_there(store: Store, seed: int) -> None:
    draw = random.Random(seed)
    places: dict[tuple[int, str], object] = {}
    detail = read(store)
    for _ in range(60):
        kind = draw.choice(["append", "append", "append", "rewrite", "resume", "results", "results", "clear", "many"])
        last = max((epoch.epoch for epoch in detail.epochs), default=-1)
        if kind == "append":
            write(store, draw.choice([1, 2]), epochs([last + draw.choice([1, 1, 3])], f"{draw.random():.4f}"))
        elif kind == "rewrite":
            write(store, 1, epochs([draw.randint(0, max(last, 0))], f"{draw.random():.4f}"))
        elif kind == "resume":
            write(store, 2, epochs(range(max(0, last - 2), last + 1), f"{draw.random():.4f}"))
        elif kind == "many":
            write(store, 1, epochs(range(60), f"{draw.random():.4f}"))
        elif kind == "clear":
            with store.writing(RUN) as connection:
                clear_attempt(connection, RUN, 2)
                write_attempt(connection, an_attempt(RUN, 2))
        else:
            cells = {(draw.randint(0, last + 3), "mAP@.5:.95"): printed(f"{draw.random():.5f}", "results.txt")}
            kept = {place for place in places if draw.random() < 0.9} | cells.keys()
            places = {place: None for place in kept}
            file = ResultsFile(run_id=RUN, position=0, path="results.txt", source="results.txt", epochs=1, problem="")
            with store.writing(RUN) as connection:
                write_results(connection, RUN, [file], cells, kept)
        if draw.random() < 0.7:  # otherwise two changes come between readings
            detail = read(store, detail)
            assert detail == read(store)


def test_a_run_that_went_and_came_back_is_read_anew(store: Store) -> None:
    write(store, 1, epochs(range(5), "0.25"))
    before = read(store)
    with store.writing(RUN) as connection:
        delete_run(connection, RUN)
    add_run(store, RUN)
    write(store, 1, epochs(range(2), "0.25"))
    assert [epoch.epoch for epoch in read(store, before).epochs] == [0, 1]


def test_a_reading_of_another_database_or_run_is_not_built_upon(store: Store, tmp_path: Path) -> None:
    write(store, 1, epochs(range(5), "0.25"))
    before = read(store)
    other = open_store(tmp_path / "other.db")
    add_run(other, RUN)
    write(other, 1, epochs([7], "0.25"))
    assert [epoch.epoch for epoch in read(other, before).epochs] == [7]
    other.close()
    add_run(store, "second")
    with store.reading() as connection:
        second = get_detail(connection, "second", before)
    assert second is not None
    assert second.epochs == ()


def test_the_version_is_that_of_the_rows(store: Store) -> None:
    with store.reading() as connection:
        detail = get_detail(connection, RUN)
        with store.writing(RUN) as writer:
            assert file_connection(writer) is not connection
            write_facts(writer, RUN, 1, FactRows.of(epochs([0], "0.1")), 0)
        later = get_detail(connection, RUN, detail)
    assert detail is not None
    assert later is not None
    assert later.version == detail.version, "the same moment"
    assert later.epochs == ()
    assert [epoch.epoch for epoch in read(store, later).epochs] == [0]
