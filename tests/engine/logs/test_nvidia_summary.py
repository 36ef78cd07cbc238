"""`summary.json` and `sensitive-summary.json` of NVIDIA's quantization of YOLOv7."""

import json

import pytest

from engine.contracts.facts import CocoLine, EpochRow, LogFormat, Note, StageEvent
from engine.logs.parser import LogParser
from tests.engine.logs.printed import HEADER, bar, log, only, read, row
from tests.engine.logs.test_any_cut import seen

SUMMARY = [["Origin", 0.5120], ["PTQ", 0.5100], ["QAT0", 0.5101], ["QAT1", 0.51112]]
SENSITIVE = [[0.5097, "model.0"], [0.51012, "model.105.m.0"], [0.5085, "PTQ"]]


@pytest.mark.parametrize("indent", [None, 0, 4])
def test_models_by_their_ap(indent: int | None) -> None:
    parser = LogParser()
    facts = read(json.dumps(SUMMARY, indent=indent).encode(), parser)
    assert only(LogFormat, facts) == [LogFormat("nvidia-summary", 0)]
    assert [(fact.key, fact.label, fact.text, fact.evaluation) for fact in only(CocoLine, facts)] == [
        ("AP", "Origin", "0.512", 0),
        ("AP", "PTQ", "0.51", 1),
        ("AP", "QAT0", "0.5101", 2),
        ("AP", "QAT1", "0.51112", 3),
    ]
    assert parser.not_understood == 0


@pytest.mark.parametrize("indent", [None, 4])
def test_layers_by_what_leaving_them_out_brings(indent: int | None) -> None:
    facts = read(json.dumps(SENSITIVE, indent=indent).encode())
    [event] = only(StageEvent, facts)
    assert (event.name, only(CocoLine, facts)) == ("layer sensitivity", [])
    assert event.payload["without"] == [["model.0", "0.5097"], ["model.105.m.0", "0.51012"], ["PTQ", "0.5085"]]


@pytest.mark.parametrize("value", [SUMMARY, SENSITIVE])
def test_in_any_pieces(value: object) -> None:
    data = json.dumps(value, indent=4).encode() + b"\n"
    assert seen([bytes([byte]) for byte in data], restart=True) == seen([data])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[]",
        "[[1, 2], [3, 4]]",
        '[["PTQ", 0.51]',
        '[["PTQ", 0.51],',
        '[["PTQ", 0.51]]\nmore',
        '[["PTQ", 51.0]]',
        '[["accuracy", 0.51]]',
        '[["PTQ", 0.51], [0.5, "model.1"]]',
        '[["PTQ", 0.51, 1]]',
        '{"PTQ": 0.51}',
    ],
)
def test_other_files_are_none_of_them(text: str) -> None:
    assert read(text.encode()) == []


def test_a_log_that_begins_like_one_is_read_as_a_log() -> None:
    training = log(HEADER, f"{row(0)}: {bar(3, 3)}", HEADER)
    for begin in (b"[[0.1 0.2]\n", b"[\n", b'[["PTQ", 0.5]]\n', b"\n" * 600, b'[["PTQ", 0.5],\n' * 3):
        assert [fact.epoch for fact in only(EpochRow, read(begin + training))] == [0], begin


def test_a_file_of_any_length_takes_little_memory() -> None:
    parser = LogParser()
    parser.feed(b"[" + b'["PTQ", 0.51],' * 50_000)
    assert len(json.dumps(parser.state())) < 3_000_000
    assert parser.state()["head"] is None


def test_the_most_sensitive_layers_of_its_console_are_notes() -> None:
    lines = ["Sensitive summary: ", "Top0: Using fp16 model.104.rbr_reparam, ap = 0.51024", "Top1: the best one"]
    notes = [note for note in only(Note, read(log(*lines))) if note.kind == "layer sensitivity"]
    assert [note.text for note in notes] == [lines[1]]
