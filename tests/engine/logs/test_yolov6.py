"""YOLOv6: losses under their titles, evaluations that name their epoch, pycocotools in between."""

import pytest

from engine.contracts.facts import CocoLine, EpochRow, LogFormat, TrainingCompleted, ValidationRow
from tests.engine.logs.printed import bar, log, only, read
from tests.engine.logs.reading import columns, read_fixture, table, trained, validated

TITLES = "     Epoch  iou_loss   l1_loss  obj_loss  cls_loss"
ROW = "      0/99     4.583     3.153     11.44     1.808"


def test_epochs_and_the_evaluations_of_some() -> None:
    facts, parser = read_fixture("yolov6.txt")
    assert columns(facts) == {("iou_loss", "l1_loss", "obj_loss", "cls_loss")}
    assert trained(facts) == table("""
        0 3 4.511 3.021 9.87 1.752
        1 3 3.902 2.411 7.113 nan
        2 3 3.301 2.107 6.02 2.511
        3 3 2.988 2.015 5.641 2.744
    """)
    assert validated(facts) == table("""
        0 0.0 0.0
        2 0.03412297502819152 0.012083649104771218
        3 3.5e-02 1.2940117e-02
    """)
    assert {tuple(row.values) for row in only(ValidationRow, facts)} == {("mAP@.5", "mAP@.5:.95")}
    assert [row.seconds for row in only(EpochRow, facts)] == [5, 4, 3, 2]
    assert only(TrainingCompleted, facts) == [TrainingCompleted(None, "0.012")]
    assert only(LogFormat, facts) == [LogFormat("yolov6", 0)]
    assert parser.not_understood == 1


def test_pycocotools_belongs_to_the_epoch_that_is_named_after_it() -> None:
    facts, _ = read_fixture("yolov6.txt")
    lines = only(CocoLine, facts)
    assert [(line.epoch, line.text) for line in lines if line.key == "AP"] == [(2, "0.012"), (3, "0.013")]
    assert [len([line for line in lines if line.epoch == epoch]) for epoch in (0, 2, 3)] == [0, 12, 12]
    numbers = {row.epoch: row.evaluation for row in only(ValidationRow, facts)}
    assert {line.evaluation for line in lines if line.epoch == 2} == {numbers[2]}
    assert len(set(numbers.values())) == 3


def test_later_titles_begin_with_the_learning_rate() -> None:
    facts = read(log("Epoch lr iou_loss dfl_loss cls_loss", f"3/9 0.01 1.5 1.25 0.5: {bar(3, 3)}"))
    (row,) = only(EpochRow, facts)
    assert row.values == {"lr/0": "0.01", "iou_loss": "1.5", "dfl_loss": "1.25", "cls_loss": "0.5"}


@pytest.mark.parametrize("row", [ROW + " 1", ROW.replace(" 4.583", ""), ROW.replace("4.583", "4.5G")])
def test_a_row_that_does_not_fit_its_titles_is_not_read(row: str) -> None:
    assert read(log(TITLES, f"{row}: {bar(3, 3)}")) == []


def test_metrics_that_are_cut_are_not_read() -> None:
    line = "Epoch: 0 | mAP@0.5: 0.25 | mAP@0.50:0.95: 0.125"
    (row,) = only(ValidationRow, read(log(TITLES, f"{ROW}: {bar(3, 3)}", line)))
    assert row.values == {"mAP@.5": "0.25", "mAP@.5:.95": "0.125"}
    (row,) = only(ValidationRow, read(log(TITLES, f"{ROW}: {bar(3, 3)}") + line[:-1].encode()))
    assert row.values == {"mAP@.5": "0.25"}
    assert only(ValidationRow, read(log(TITLES, f"{ROW}: {bar(3, 3)}", line[:30]))) == []
