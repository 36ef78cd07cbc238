"""No log can break the parser, whatever it holds, nor make it keep more than a bounded amount."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contracts.facts import StageEvent
from engine.logs.parser import LogParser
from tests.engine.logs.printed import ALL_KINDS, HEADER, bar, event, log, metrics, only, read, row

HUGE = "9" * 6000
"""More digits than Python turns into a number."""


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_read(data: bytes) -> None:
    parser = LogParser()
    read(data, parser)
    assert parser.not_understood <= parser.lines <= len(data)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), max_size=20))
def test_a_damaged_log_is_read(damages: list[tuple[float, bytes]]) -> None:
    data = bytearray(ALL_KINDS)
    for place, garbage in damages:
        at = round(place * len(data))
        data[at : at + len(garbage)] = garbage
    parser = LogParser()
    read(bytes(data), parser)
    json.dumps(parser.state())
    assert parser.progress is None or parser.progress.total >= 0


@pytest.mark.parametrize(
    "line",
    [
        f"Model Summary: {HUGE} layers, 1 parameters, 1 gradients, 1.0 GFLOPS",
        f"Starting training for {HUGE} epochs...",
        f"{HUGE} epochs completed in {HUGE} hours.",
        f"Optimizer stripped from last.pt, {HUGE}MB",
        f"{row(0)}:  50%|#####| 1/2 [{HUGE}:00<00:00, 1.0it/s]",
        f"anything:  50%|#####| 1/{HUGE} [00:01<00:01, 1.0it/s]",
        f"     0/{HUGE}      7.5G      0.05      0.02      0.01      0.08       132       640",
        metrics("all", 0.1, 0.2, 0.3, 0.4).replace("900", HUGE),
        f" Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets={HUGE} ] = 0.375",
        event("epoch", epoch=1).replace("1", HUGE),
    ],
    ids=lambda line: line.strip()[:20],
)
def test_numbers_of_any_length_are_read(line: str) -> None:
    parser = LogParser()
    facts = read(log(HEADER, line, f"{row(1)}: {bar(3, 3)}"), parser)
    assert any(getattr(fact, "epoch", None) == 1 for fact in facts), "what follows is read"


@pytest.mark.parametrize(
    "payload",
    [
        '{"event": "note", "text": "\\ud800"}',
        '{"event": "note", "\\udfff": 1}',
        '{"event": "\\ud800"}',
        '{"event": "note", "list": ["\\ud800"]}',
        f'{{"event": "epoch", "epoch": {10**30}}}',
        f'{{"event": "epoch", "epoch": 1, "metrics": {{"P": {10**400}}}}}',
        '{"event": "note", "deep": ' + "[" * 900 + "]" * 900 + "}",
        '{"event": 1}',
        "{}",
        "[]",
        "{",
    ],
    ids=lambda text: text[:40],
)
def test_an_event_that_cannot_be_stored_is_counted_as_not_understood(payload: str) -> None:
    parser = LogParser()
    assert read(f"::yoloqat {payload}\n".encode(), parser) == []
    assert (parser.lines, parser.not_understood) == (1, 1)


def test_an_event_may_hold_any_ordinary_value() -> None:
    fields = {"nan": float("nan"), "text": "é\u2028", "many": [1, 2.5, None, True], "deep": {"a": {"b": [{}]}}}
    (fact,) = only(StageEvent, read(log(event("calibrated", **fields))))
    assert repr(fact.payload) == repr(fields)


@pytest.mark.parametrize("separator", [b"", b"\r", b"\n"], ids=["one line", "redraws", "lines"])
def test_memory_is_bounded(separator: bytes) -> None:
    parser = LogParser()
    piece = (b"x" * 1000 + separator) * 1000
    for _ in range(12):
        parser.feed(piece)
    assert len(json.dumps(parser.state())) < 3 << 20


def test_many_evaluations_that_never_end_are_forgotten() -> None:
    parser = LogParser()
    lines = [
        f"{row(epoch, 9999)}: {bar(3, 3)}\n{'Class Images Labels P R mAP@.5'}: {bar(1, 2)}" for epoch in range(2000)
    ]
    coco = [f" Average Recall (AR) @[ IoU=0.50:0.95 | area= all | maxDets={most} ] = 0.3" for most in range(30_000)]
    parser.feed(log(HEADER, *lines, *(f"WARNING: number {number}" for number in range(2000)), *coco))
    assert len(json.dumps(parser.state())) < 50_000


def test_repeated_warnings_do_not_fill_the_store() -> None:
    assert len(read(log(*["WARNING: corrupted JPEG restored"] * 1000))) == 1
    assert len(read(log(*(f"WARNING: image {number} is corrupted" for number in range(1000))))) == 500


@pytest.mark.parametrize(
    "unit", ["1 ", "1% ", "a 1 1 ", ", saved as ", "0/1 ", "Class Images ", "\x1b]", "[[", "Epoch "], ids=repr
)
def test_no_line_takes_long(unit: str) -> None:
    began = time.process_time()
    for begin in ("", "Optimizer stripped from ", "Traceback ", "all  "):
        read((begin + unit * 200_000 + "\n").encode())
    assert time.process_time() - began < 3
