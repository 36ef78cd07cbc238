"""However a log arrives, in whatever pieces and read by however many processes, its facts are the same."""

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contracts.facts import Fact, Progress
from engine.logs.parser import LogParser
from tests.engine.logs.printed import ALL_KINDS, HEADER, OUT_OF_MEMORY, TRACEBACK, VALIDATION, bar, event, metrics, row
from tests.engine.logs.test_seed import SEED

Seen = tuple[list[Fact], int, int, Progress | None]

LINES = [line.encode() for line in (HEADER, row(0), f"{row(0)}: {bar(3, 3)}", f"{row(1)}: {bar(1, 3)}", VALIDATION)]
LINES += [f"{VALIDATION}: {bar(2, 2)}".encode(), metrics("all", 0.1, 0.2, 0.3, 0.4).encode()]
LINES += [TRACEBACK.encode(), OUT_OF_MEMORY.encode(), event("epoch", epoch=1).encode(), b"\xf0\x9f", b"\x1b[1", b" "]
logs = st.lists(
    st.one_of(st.sampled_from(LINES), st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n"]), st.binary(max_size=8)),
    max_size=40,
).map(b"".join)


def seen(pieces: Iterable[bytes], *, restart: bool = False) -> Seen:
    """Everything that can be told of a log.

    Args:
        restart: each piece is read by a new process, which knows nothing but the stored state.
    """
    parser = LogParser()
    facts: list[Fact] = []
    for piece in pieces:
        if restart:
            parser = restarted(parser)
        facts += parser.feed(piece)
    progress = parser.progress
    facts += parser.finish()
    return facts, parser.lines, parser.not_understood, progress


def restarted(parser: LogParser) -> LogParser:
    restored = LogParser.restore(json.loads(json.dumps(parser.state())))
    assert restored is not None
    return restored


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ALL_KINDS, id="LF"),
        pytest.param(ALL_KINDS.replace(b"\n", b"\r\n"), id="CRLF", marks=pytest.mark.slow),
    ],
)
def test_every_cut_of_a_log_in_two(data: bytes) -> None:
    whole = seen([data])
    assert len(whole[0]) == 19
    for at in range(len(data)):
        assert seen([data[:at], data[at:]]) == whole, at
        assert seen([data[:at], data[at:]], restart=True) == whole, at


@pytest.mark.parametrize("restart", [False, True], ids=["one process", "a process for each byte"])
def test_byte_by_byte(restart: bool) -> None:
    assert seen((bytes([byte]) for byte in ALL_KINDS), restart=restart) == seen([ALL_KINDS])


def test_the_bar_does_not_depend_on_the_pieces_either() -> None:
    parser = LogParser()
    for at, byte in enumerate(ALL_KINDS):
        parser.feed(bytes([byte]))
        whole = LogParser()
        whole.feed(ALL_KINDS[: at + 1])
        assert parser.progress == whole.progress == restarted(parser).progress, at


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, SEED.stat().st_size), max_size=12))
def test_a_real_log_in_any_pieces(cuts: set[int]) -> None:
    data = SEED.read_bytes()
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert seen(pieces, restart=True) == seen([data])


@settings(max_examples=150, deadline=None)
@given(logs, st.lists(st.floats(0, 1), max_size=6))
def test_any_bytes_in_any_pieces(data: bytes, cuts: list[float]) -> None:
    places = [0, *sorted(round(cut * len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert seen(pieces) == seen(pieces, restart=True) == seen([data])


def test_the_state_of_another_version_is_not_taken_up() -> None:
    state = LogParser().state()
    assert LogParser.restore(state) is not None
    assert LogParser.restore({**state, "version": state["version"] + 1}) is None
    assert LogParser.restore({}) is None
