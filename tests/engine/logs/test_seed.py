"""The log of a ReLU retraining, cut at the terminal's edge: every number, as it was printed."""

from pathlib import Path

import pytest

from engine.contracts.facts import (
    CheckpointStripped,
    CocoLine,
    EpochRow,
    Fact,
    ModelSummary,
    TrainingCompleted,
    ValidationRow,
)
from engine.logs.parser import LogParser
from tests.conftest import REPOSITORY
from tests.engine.logs.printed import only, read

SEED = REPOSITORY / "tests" / "fixtures" / "logs" / "results_act_relu.txt"
TRAINING = """
20 0.02685 0.02484 0.006784 0.05847 132
21 0.02681 0.02476 0.006686 0.05825 219
22 0.02665 0.02459 0.006528 0.05777 146
23 0.0266 0.02444 0.00648 0.05752 172
24 0.02649 0.02437 0.006431 0.05729 231
25 0.02644 0.02429 0.006326 0.05705 134
26 0.02638 0.02428 0.006265 0.05693 159
27 0.0263 0.02418 0.006242 0.05672 301
28 0.02625 0.02415 0.006144 0.05654 87
29 0.02617 0.024 0.006058 0.05623 122
"""
VALIDATION = """
20 0.71 0.626 0.672 0.478
21 0.727 0.613 0.672 0.478
22 0.723 0.616 0.672 0.478
23 0.733 0.61 0.671 0.478
24 0.705 0.629 0.672 0.477
25 0.713 0.625 0.671 0.477
26 0.715 0.625 0.672 0.478
27 0.718 0.625 0.672 0.478
28 0.714 0.627 0.672 0.478
29 0.714 0.627 0.672 0.478
"""
SECONDS = [None, None, 2672, 2669, 2675, 2669, 2673, 2663, 2666, 2670]
COCO = {
    "last": "0.493 0.676 0.538 0.335 0.540 0.641 0.375 0.621 0.677 0.529 0.728 0.820",
    "best": "0.493 0.675 0.537 0.330 0.544 0.643 0.376 0.623 0.679 0.522 0.734 0.824",
}
COCO_KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
METRICS = ["P", "R", "mAP@.5", "mAP@.5:.95"]


@pytest.fixture(scope="module")
def facts() -> list[Fact]:
    return read(SEED.read_bytes())


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n") if line]


def test_ten_epochs_with_their_losses_as_printed(facts: list[Fact]) -> None:
    rows = only(EpochRow, facts)
    names = ["box", "obj", "cls", "total", "labels"]
    assert [[str(row.epoch), *(row.values[name] for name in names)] for row in rows] == table(TRAINING)
    assert {row.values["gpu_mem"] for row in rows} == {"7.5G"}
    assert {row.last_epoch for row in rows} == {29}
    assert [row.seconds for row in rows] == SECONDS


def test_a_field_that_the_edge_has_cut_is_absent_and_not_wrong(facts: list[Fact]) -> None:
    sizes = [row.values.get("img_size") for row in only(EpochRow, facts)]
    assert sizes == [None, None, *["640"] * 8], "the first two rows end in `64`, of which nobody knows the rest"


def test_each_epoch_is_validated_by_the_row_below_it(facts: list[Fact]) -> None:
    rows = [row for row in only(ValidationRow, facts) if row.epoch is not None]
    assert [[str(row.epoch), *(row.values[name] for name in METRICS)] for row in rows] == table(VALIDATION)
    assert {(row.class_name, row.images, row.labels) for row in rows} == {("all", 5000, 36335)}


def test_the_final_tests_belong_to_last_and_best(facts: list[Fact]) -> None:
    rows = [row for row in only(ValidationRow, facts) if row.epoch is None]
    assert [(row.weights, *(row.values[name] for name in METRICS)) for row in rows] == [
        ("last", "0.703", "0.627", "0.668", "0.476"),
        ("best", "0.703", "0.625", "0.668", "0.476"),
    ]
    for row in rows:
        lines = [line for line in only(CocoLine, facts) if line.evaluation == row.evaluation]
        assert [(line.key, line.text) for line in lines] == list(zip(COCO_KEYS, COCO[row.weights].split(), strict=True))
        assert {line.weights for line in lines} == {row.weights}
    assert len(only(CocoLine, facts)) == 24


def test_what_the_log_says_of_model_time_and_checkpoints(facts: list[Fact]) -> None:
    assert only(ModelSummary, facts) == [ModelSummary(314, 36907898, 6194944, "104.5", fused=True)] * 2
    assert only(TrainingCompleted, facts) == [TrainingCompleted(30, "22.593")]
    assert only(CheckpointStripped, facts) == [
        CheckpointStripped(f"runs/train/yolov76/weights/{name}.pt", "75.6") for name in ("last", "best")
    ]


def test_nothing_else_is_read_and_nothing_is_left_over(facts: list[Fact]) -> None:
    parser = LogParser()
    read(SEED.read_bytes(), parser)
    assert len(facts) == 10 + 10 + 2 + 24 + 2 + 1 + 2
    assert (parser.lines, parser.not_understood) == (111, 0)


def test_the_prose_around_the_original_changes_nothing(facts: list[Fact], shared: Path) -> None:
    original = shared / "data" / "seed" / "results_act_relu.md"
    if not original.exists():
        pytest.skip("the seed's document is absent")
    parser = LogParser()
    assert read(original.read_bytes(), parser) == facts
    assert parser.not_understood == 10, "its headings, its command, its fences"
