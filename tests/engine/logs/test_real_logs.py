"""Logs that people have published. They are not ours to ship: the tests skip where the folder is absent."""

import csv
import math

import pytest

from engine.contracts.facts import CocoLine, Crash, EpochRow, Fact, OutOfMemory, TrainingCompleted, ValidationRow
from engine.logs.parser import LogParser
from tests.conftest import REPOSITORY
from tests.engine.logs.printed import only, read

FOLDER = REPOSITORY.parent / "shared" / "logs"
EPOCHS = {
    "yolov7-tiny-nohup.out": range(300),
    "yolov7-notebook-300ep.txt": range(300),
    "yolov7-resumed.txt": range(225, 300),
    "yolov7-colab-cut.txt": range(37),  # the 38th has only begun
    "yolov7-colab-head-truncated.txt": range(501, 1500),
    "yolov7-windows-crash.txt": range(0),
    "yolov7-killed-in-scan.txt": range(0),
}
METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
LOSSES = ("box", "obj", "cls", "total")


def facts_of(name: str) -> tuple[list[Fact], LogParser]:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the real log {name} is absent")
    parser = LogParser()
    return read(path.read_bytes(), parser), parser


def rated(facts: list[Fact]) -> list[ValidationRow]:
    return [row for row in only(ValidationRow, facts) if row.class_name == "all"]


@pytest.mark.parametrize("name", EPOCHS)
def test_every_epoch_is_there_once_and_whole(name: str) -> None:
    facts, parser = facts_of(name)
    rows = only(EpochRow, facts)
    assert [row.epoch for row in rows] == list(EPOCHS[name])
    assert [row.epoch for row in rated(facts)] == list(EPOCHS[name])
    for row in rows:
        assert set(row.values) == {"gpu_mem", *LOSSES, "labels", "img_size"}
        losses = [float(row.values[key]) for key in LOSSES]
        assert math.isclose(sum(losses[:3]), losses[3], rel_tol=2e-3), row
    for evaluated in rated(facts):
        assert all(0 <= float(evaluated.values[key]) <= 1 for key in METRICS)
    assert parser.not_understood <= 20


def test_the_numbers_are_those_of_the_trainers_own_results_file() -> None:
    facts, _ = facts_of("yolov7-tiny-nohup.out")
    truth = [line.split() for line in (FOLDER / "yolov7-tiny-nohup.results.txt").read_text().splitlines()]
    rows, evaluated = only(EpochRow, facts), rated(facts)
    assert len(rows) == len(evaluated) == len(truth) == 300
    for row, validation, words in zip(rows, evaluated, truth, strict=True):
        assert [f"{row.epoch}/{row.last_epoch}", *row.values.values()] == words[:8]
        printed = [float(validation.values[key]) for key in METRICS]
        assert printed == pytest.approx([float(word) for word in words[8:12]], rel=6e-3), row.epoch


def test_how_they_ended() -> None:
    assert only(TrainingCompleted, facts_of("yolov7-notebook-300ep.txt")[0]) == [TrainingCompleted(300, "3.355")]
    assert only(TrainingCompleted, facts_of("yolov7-resumed.txt")[0])[0].epochs == 75
    facts, _ = facts_of("yolov7-windows-crash.txt")
    (crash,) = only(Crash, facts)
    assert crash.error == "BrokenPipeError: [Errno 32] Broken pipe"
    assert 'File "train.py", line 609, in <module>' in crash.traceback
    facts, parser = facts_of("yolov7-colab-cut.txt")
    assert only(TrainingCompleted, facts) == []
    assert parser.progress is not None
    assert (parser.progress.epoch, parser.progress.done, parser.progress.total) == (37, 10, 150)


def test_classes_with_long_names_belong_to_the_last_epoch() -> None:
    facts, _ = facts_of("yolov7-notebook-300ep.txt")
    classes = [row for row in only(ValidationRow, facts) if row.class_name != "all"]
    assert len(classes) == 34
    assert {row.epoch for row in classes} == {299}
    assert classes[-1].class_name == "twister-dau"
    assert classes[-1].values["mAP@.5:.95"] == "0.218"


@pytest.mark.parametrize("name", ["foreign-yolox.log", "foreign-openmmlab.json"])
def test_other_trainers_are_left_alone(name: str) -> None:
    """Much of what they print looks alike and means something else, so no epoch at all is better than a wrong one."""
    facts, parser = facts_of(name)
    assert parser.lines > 0
    assert only(EpochRow, facts) == only(ValidationRow, facts) == []


def test_pycocotools_is_read_whoever_prints_it() -> None:
    facts, _ = facts_of("yolov5-v7-val-pycocotools.txt")
    lines = only(CocoLine, facts)
    assert [line.text for line in lines][:3] == ["0.374", "0.572", "0.402"]
    assert len({line.key for line in lines}) == len(lines) == 12
    facts, _ = facts_of("yolov6-train.txt")
    numbers = [line.evaluation for line in only(CocoLine, facts)]
    assert all(numbers.count(number) == 12 for number in set(numbers))


def test_memory_that_ran_out_is_told_whoever_trained() -> None:
    facts, _ = facts_of("ultralytics-oom.log")
    assert len(only(OutOfMemory, facts)) == len(only(Crash, facts)) == 3
    assert "CUDA out of memory" in only(OutOfMemory, facts)[0].message


def test_the_manifest_agrees() -> None:
    manifest = FOLDER / "MANIFEST.tsv"
    if not manifest.exists():
        pytest.skip("the manifest of the real logs is absent")
    with manifest.open(newline="") as file:
        told = {line["file"]: line["epochs_in_file"] for line in csv.DictReader(file, delimiter="\t")}
    for name, epochs in EPOCHS.items():
        begun = len(epochs) + (name == "yolov7-colab-cut.txt")
        assert told[name].split()[0] == (str(begun) if begun else "-")
