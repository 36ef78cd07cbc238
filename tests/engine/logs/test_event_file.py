"""TensorBoard's event files: an epoch for a step, whatever stands between, and only what stands before a break."""

import json
import math
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.contracts.facts import EpochRow, LogFormat, Note, ValidationRow
from engine.logs.parser import LogParser
from engine.logs.results.tensorboard import float_text, masked_crc
from tests.engine.logs.event_files import crc32c, event, image, message, record, scalar, ultralytics, written, yolov7
from tests.engine.logs.printed import only, read
from tests.engine.logs.test_any_cut import seen

FILE = written(yolov7())


def test_checksums_are_those_of_others() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value
    # Every file that TensorFlow or PyTorch writes begins so: a record of 24 bytes, and the checksum of that length.
    assert struct.pack("<I", masked_crc(bytes([24, 0, 0, 0, 0, 0, 0, 0]))) == bytes.fromhex("a37f4b22")
    assert FILE[:12] == bytes.fromhex("1800000000000000a37f4b22")


def test_epochs_of_yolov7() -> None:
    parser = LogParser()
    facts = read(FILE, parser)
    assert only(LogFormat, facts) == [LogFormat("tensorboard", 0)]
    epochs = only(EpochRow, facts)
    assert [row.epoch for row in epochs] == [0, 1, 2]
    assert dict(epochs[1].values) == {
        "box_loss": "0.03125",
        "obj_loss": "0.03125",
        "cls_loss": "0.0401",
        "val/box_loss": "0.05",
        "val/obj_loss": "0.02",
        "val/cls_loss": "0.01",
        "lr/0": "0.01",
        "lr/1": "0.01",
        "lr/2": "0.1",
    }
    rows = only(ValidationRow, facts)
    assert [(row.epoch, row.evaluation, row.values["mAP@.5:.95"]) for row in rows] == [
        (0, 0, "0.4"),
        (1, 1, "0.41"),
        (2, 2, "0.42"),
    ]
    assert (parser.lines, parser.not_understood) == (1 + 3 * 13, 0)


def test_ultralytics_counts_from_1() -> None:
    facts = read(written(ultralytics()))
    assert only(LogFormat, facts) == [LogFormat("tensorboard", 1)]
    assert [row.epoch for row in only(EpochRow, facts)] == [1, 2]
    assert {tuple(row.values) for row in only(ValidationRow, facts)} == {("P", "R", "mAP@.5", "mAP@.5:.95")}


def test_a_resumed_training_goes_on_with_its_epochs() -> None:
    assert [row.epoch for row in only(EpochRow, read(written(yolov7(first=225))))] == [225, 226, 227]


def test_all_numbers_of_a_step_in_one_event() -> None:
    assert read(written(yolov7(), one_event=True)) == read(FILE)


def test_images_and_graphs_are_passed_over() -> None:
    begin, *steps = [written({step: values})[len(written({})) :] for step, values in yolov7().items()]
    big = event(0, image(300_000)) + event(1, message(1, message(1, b"graph") + message(3, bytes(900))))
    parser = LogParser()
    facts = read(written({}) + begin + big + b"".join(steps), parser)
    assert facts == read(FILE)


def test_nan_and_inf_stay_what_they_are() -> None:
    steps = yolov7(epochs=1)
    steps[0] |= {"train/box_loss": math.nan, "val/cls_loss": math.inf}
    [row] = only(EpochRow, read(written(steps)))
    assert (row.values["box_loss"], row.values["val/cls_loss"]) == ("nan", "inf")


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_in_any_pieces(piece: int) -> None:
    data = FILE + event(3, image(70_000))
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert seen(pieces, restart=piece == 4096) == seen([data])


def test_a_file_that_is_cut_gives_what_stands_before() -> None:
    whole = read(FILE)
    parser = LogParser()
    facts = read(FILE[:-20], parser)
    *rows, note = facts
    assert note == Note("warning", "the event file ends in the midst of a record")
    assert [fact for fact in rows if not isinstance(fact, EpochRow)] == [
        fact for fact in whole if not isinstance(fact, EpochRow)
    ]
    assert "lr/2" not in only(EpochRow, rows)[-1].values


@pytest.mark.parametrize("place", [0, 9, 15])
def test_a_damaged_record_ends_it_with_a_reason(place: int) -> None:
    """Damage to a length, to its checksum and to the data."""
    at = len(written(yolov7(epochs=2)))
    damaged = bytearray(FILE)
    damaged[at + place] ^= 0x40
    *facts, note = read(bytes(damaged))
    what = "the record" if place == 15 else "the length of the record"
    assert note == Note("warning", f"{what} at byte {at} is damaged; nothing behind it is read")
    assert [row.epoch for row in only(EpochRow, facts)] == [0, 1]


@pytest.mark.parametrize(
    "steps",
    [
        {step: {"train/box_loss": 0.1, "train/cls_loss": 0.1} for step in range(5)},  # of batches, nobody's metrics
        {step: {"train_loss": 0.1, "val_loss": 0.2, "epoch": 1.0} for step in range(5)},  # Lightning
        {step: {"epoch_loss": 0.1, "epoch_accuracy": 0.9} for step in range(5)},  # Keras
        {step: {"train/loss": 0.1, "eval/loss": 0.2, "train/learning_rate": 1e-5} for step in range(5)},  # Transformers
        {step: {"train/iou_loss": 0.1, "val/COCOAP50": 0.2, "val/COCOAP50_95": 0.1} for step in range(5)},  # YOLOX
        {0: {"metrics/precision": 0.1, "metrics/recall": 0.1, "metrics/mAP_0.5": 0.1, "metrics/mAP_0.5:0.95": 0.1}},
    ],
)
def test_files_of_others_hold_no_epochs(steps: dict[int, dict[str, float]]) -> None:
    parser = LogParser()
    assert read(written(steps), parser) == []
    assert parser.not_understood > 0


def test_a_large_record_takes_no_memory() -> None:
    parser = LogParser()
    head = FILE + struct.pack("<Q", 1 << 40)
    tracemalloc.start()
    parser.feed(head + struct.pack("<I", masked_crc(struct.pack("<Q", 1 << 40))))
    for _ in range(200):
        parser.feed(bytes(1 << 16))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    assert len(json.dumps(parser.state())) < 10_000


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=6))
def test_damaged(damages: list[tuple[float, bytes]]) -> None:
    data = bytearray(FILE)
    for place, garbage in damages:
        at = 12 + round(place * (len(data) - 12))
        data[at : at + len(garbage)] = garbage
    right = {(type(fact), fact.epoch): fact.values.items() for fact in read(FILE) if hasattr(fact, "values")}
    for fact in read(bytes(data)):
        if isinstance(fact, EpochRow | ValidationRow):
            assert fact.values.items() <= right[type(fact), fact.epoch], "a number is not the one that was written"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_data_in_whole_records(parts: list[bytes]) -> None:
    assert only(EpochRow, read(FILE + b"".join(map(record, parts)))) != []


@pytest.mark.parametrize("step", [-1, 1 << 31, 1 << 62])
def test_steps_that_no_training_has(step: int) -> None:
    parser = LogParser()
    read(written({}) + event(step, scalar("train/box_loss", 0.1)), parser)
    assert parser.not_understood == 1


@pytest.mark.parametrize("head", [b"\x18", b"\x18\x00\x00", b"\x00" * 40, FILE[:11] + b"x"])
def test_what_only_begins_like_one_is_a_log(head: bytes) -> None:
    parser = LogParser()
    read(head, parser)
    assert (parser.lines, parser.state()["event file"]) == (1, None)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_texts_stand_for_the_number_in_the_file(value: float) -> None:
    text = float_text(value)
    assert struct.pack("<f", float(text)) == struct.pack("<f", value)
