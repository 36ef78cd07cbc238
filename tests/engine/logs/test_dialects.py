"""What holds for every registered dialect: the fixtures in any pieces, damaged, and each dialect in one of them."""

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contracts.facts import EpochRow, Fact, ValidationRow
from engine.logs.parser import DIALECTS, LogParser
from tests.engine.logs.printed import only, read
from tests.engine.logs.reading import FIXTURES
from tests.engine.logs.test_any_cut import seen

LOGS = sorted(FIXTURES.iterdir())
TRAININGS = [path for path in LOGS if not path.stem.startswith("trtexec")]
CONSOLES = [path for path in LOGS if path.stem not in ("results", "results_yolov5", "results_ultralytics")]
places = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), max_size=20)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_in_any_pieces(path: Path) -> None:
    data = path.read_bytes()
    whole = seen([data])
    assert only(EpochRow, whole[0]) or path not in TRAININGS
    assert seen(bytes([byte]) for byte in data) == whole
    for size in (7, 101, 1009):
        pieces = [data[start:end] for start, end in pairwise([*range(0, len(data), size), len(data)])]
        assert seen(pieces, restart=True) == whole


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
@settings(max_examples=60, deadline=None)
@given(damages=places)
def test_damaged(path: Path, damages: list[tuple[float, bytes]]) -> None:
    data = bytearray(path.read_bytes()[:20_000])
    for place, garbage in damages:
        at = round(place * len(data))
        data[at : at + len(garbage)] = garbage
    parser = LogParser()
    read(bytes(data), parser)
    assert parser.not_understood <= parser.lines
    assert len(json.dumps(parser.state())) < 100_000


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_read_twice_in_one_file(path: Path) -> None:
    data = path.read_bytes()
    once, twice = only(EpochRow, read(data)), only(EpochRow, read(data + b"\n" + data))
    assert {row.epoch for row in twice} == {row.epoch for row in once}


@pytest.mark.parametrize("first", CONSOLES, ids=lambda path: path.name)
def test_one_after_the_other_in_one_file(first: Path) -> None:
    for second in CONSOLES:
        whole = read(first.read_bytes() + b"\n" + second.read_bytes())
        assert rows(whole) == rows(read(first.read_bytes())) + rows(read(second.read_bytes())), second.name


@pytest.mark.parametrize("first", CONSOLES, ids=lambda path: path.name)
def test_a_results_file_behind_a_log_is_not_read(first: Path) -> None:
    for second in set(LOGS) - set(CONSOLES):
        assert rows(read(first.read_bytes() + b"\n" + second.read_bytes())) == rows(read(first.read_bytes())), (
            second.name
        )


def rows(facts: list[Fact]) -> list[tuple[str, int | None, dict[str, str]]]:
    """What the facts say of epochs and evaluations."""
    kinds = (EpochRow, ValidationRow)
    return [(type(fact).__name__, fact.epoch, dict(fact.values)) for fact in facts if isinstance(fact, kinds)]


def test_every_dialect_has_a_fixture() -> None:
    found = {"yolov7"}
    for path in LOGS:
        parser = LogParser()
        read(path.read_bytes(), parser)
        told = parser.state()["assembler"]["told"]
        found |= {told[0]} if told else set()
    assert found == {dialect.NAME for dialect in DIALECTS}


@pytest.mark.parametrize(
    "unit", ["1 ", "nan ", "0/1 ", "━", "1,", ",", "Box(P R ", "P ", "_loss ", "x_loss "], ids=repr
)
def test_no_line_takes_long(unit: str) -> None:
    began = time.process_time()
    for begin in ("Epoch GPU_mem ", "Class Images Instances ", "epoch,", "Epoch: ", "1% ", "0/1 1G ", "all "):
        parser = LogParser()
        for path in LOGS:
            parser.feed(path.read_bytes()[:4000] + b"\n" + (begin + unit * 100_000).encode() + b"\n")
    assert time.process_time() - began < 5
