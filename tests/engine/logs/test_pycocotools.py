"""pycocotools' table belongs to the evaluation that was printed before it, whichever trainer did."""

from collections.abc import Sequence

import pytest

from engine.contracts.facts import CocoLine, EpochRow, ValidationRow
from tests.engine.logs.printed import HEADER, VALIDATION, bar, log, metrics, only, read, row
from tests.engine.logs.reading import FIXTURES

KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def coco(ap: float, kind: str | None = "bbox") -> list[str]:
    """What pycocotools prints, beginning with an AP."""
    line = " Average {:18} {} @[ IoU={:9} | area={:>6s} | maxDets={:>3} ] = {:0.3f}"
    rows = [("Precision", "(AP)", "0.50:0.95", "all", 100), ("Precision", "(AP)", "0.50", "all", 100)]
    rows += [("Precision", "(AP)", "0.75", "all", 100)]
    rows += [("Precision", "(AP)", "0.50:0.95", area, 100) for area in ("small", "medium", "large")]
    rows += [("Recall", "(AR)", "0.50:0.95", "all", most) for most in (1, 10, 100)]
    rows += [("Recall", "(AR)", "0.50:0.95", area, 100) for area in ("small", "medium", "large")]
    begin = ["Running per image evaluation...", f"Evaluate annotation type *{kind}*", "DONE (t=1.23s)."] if kind else []
    return [
        "Loading and preparing results...",
        *begin,
        "Accumulating evaluation results...",
        *(line.format(*fields, ap + 0.01 * at) for at, fields in enumerate(rows)),
    ]


def aps(lines: Sequence[str]) -> list[tuple[str, str, int | None, str | None]]:
    """Key, number, epoch and weights of the first number of each table."""
    facts = only(CocoLine, read(log(*lines)))
    return [(fact.key, fact.text, fact.epoch, fact.weights) for fact in facts if fact.key.startswith(("AP(", "AP"))][
        ::6
    ]


def test_all_twelve() -> None:
    facts = only(CocoLine, read(log(*coco(0.374))))
    assert [fact.key for fact in facts] == KEYS
    assert [fact.text for fact in facts][:3] == ["0.374", "0.384", "0.394"]
    assert {fact.evaluation for fact in facts} == {0}


def test_yolov7_evaluates_last_and_best_after_its_training() -> None:
    epoch = [HEADER, f"{row(0, 0)}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.25)]
    end = ["1 epochs completed in 0.1 hours."]
    for ap in (0.4, 0.5):
        end += [
            f"{VALIDATION}: {bar(2, 2)}",
            metrics("all", 0.1, 0.2, 0.3, ap),
            "Evaluating pycocotools mAP... saving x",
        ]
        end += coco(ap)
    assert aps([*epoch, *end]) == [("AP", "0.400", None, "last"), ("AP", "0.500", None, "best")]
    facts = read(log(*epoch, *end))
    rows = {row.evaluation: row.values["mAP@.5:.95"] for row in only(ValidationRow, facts) if row.epoch is None}
    assert {fact.evaluation: fact.text for fact in only(CocoLine, facts) if fact.key == "AP"} == {
        number: f"{float(text):.3f}" for number, text in rows.items()
    }
    assert [row.epoch for row in only(EpochRow, facts)] == [0]


@pytest.mark.parametrize("name", ["yolov5.txt", "yolov5_seg.txt", "yolov9.txt", "ultralytics.txt"])
def test_of_best_where_only_it_is_evaluated_after_the_training(name: str) -> None:
    text = (FIXTURES / name).read_text()
    facts = read((text + "\n".join(coco(0.4)) + "\n").encode())
    finals = {row.evaluation for row in only(ValidationRow, facts) if row.epoch is None}
    lines = only(CocoLine, facts)
    assert len(lines) == 12
    assert {(fact.evaluation, fact.epoch) for fact in lines} == {(max(finals), None)}
    assert lines[0].weights is not None
    assert lines[0].weights.endswith("best.pt")


def test_nvidias_epochs_have_their_tables() -> None:
    lines = []
    for epoch in (1, 2):
        lines += [f"QAT Finetuning {epoch} / 2, Loss: 3.0, LR: 1e-06", f"{VALIDATION}: {bar(2, 2)}"]
        lines += [metrics("all", 0.1, 0.2, 0.3, 0.25), *coco(epoch / 10)]
    assert aps(lines) == [("AP", "0.100", 1, None), ("AP", "0.200", 2, None)]


@pytest.mark.parametrize(("kind", "key"), [("segm", "AP(M)"), ("keypoints", "AP(P)")])
def test_masks_and_poses_are_not_boxes(kind: str, key: str) -> None:
    facts = only(CocoLine, read(log(*coco(0.4), *coco(0.3, kind), *coco(0.2))))
    assert [(fact.key, fact.text, fact.evaluation) for fact in facts if fact.key in ("AP", key)] == [
        ("AP", "0.400", 0),
        (key, "0.300", 0),
        ("AP", "0.200", 1),
    ]


def test_keypoints_show_themselves_by_how_many_are_counted() -> None:
    line = " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets= 20 ] = 0.613"
    assert [(fact.key, fact.text) for fact in only(CocoLine, read(log(line)))] == [("AP(P)", "0.613")]


@pytest.mark.parametrize(
    "line",
    [
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 37.4",
        " Average Precision  (AP) @[ IoU=0.40 | area=   all | maxDets=100 ] = 0.374",
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=  tiny | maxDets=100 ] = 0.374",
        " Average Recall     (AR) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.374",
    ],
)
def test_other_settings_are_not_read(line: str) -> None:
    assert only(CocoLine, read(log(line))) == []
