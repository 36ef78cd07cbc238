"""YOLOv5: the table of 2020, the one of 7.0 with redraws and an early stop, and segmentation."""

import pytest

from engine.contracts.facts import EpochRow, LogFormat, ModelSummary, Note, TrainingCompleted, ValidationRow
from tests.engine.logs.printed import bar, log, only, read
from tests.engine.logs.reading import columns, final, read_fixture, table, trained, validated

METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
TITLES = "      Epoch    GPU_mem   box_loss   obj_loss   cls_loss  Instances       Size"
ROW = "        0/2      3.74G      0.046      0.072      0.017        232        640"
VALIDATION = "                 Class     Images  Instances          P          R      mAP50   mAP50-95"
ALL = "                   all        128        929      0.672      0.594      0.682      0.451"


def test_the_table_of_2020() -> None:
    facts, parser = read_fixture("yolov5_giou.txt")
    assert columns(facts) == {("gpu_mem", "GIoU", "obj", "cls", "total", "labels", "img_size")}
    assert trained(facts) == table("""
        0 2 1.31G 0.1131 0.05038 0.0331 0.1966 37 320
        1 2 1.31G 0.1022 0.04977 0.03185 0.1838 41 320
        2 2 1.31G 0.0954 0.0488 nan nan 29 320
    """)
    assert validated(facts) == table("""
        0 0 0 0.000812 0.000164
        1 0.125 0.25 0.0934 0.0312
        2 0.375 0.5 0.281 0.117
    """)
    assert [row.seconds for row in only(EpochRow, facts)] == [4, 3, 2]
    assert only(TrainingCompleted, facts) == [TrainingCompleted(3, "0.004")]
    assert only(LogFormat, facts) == [LogFormat("yolov5", 0)]
    assert final(facts) == []
    assert parser.not_understood == 2


def test_the_table_of_7_0_and_an_early_stop() -> None:
    facts, parser = read_fixture("yolov5.txt")
    assert columns(facts) == {("gpu_mem", "box_loss", "obj_loss", "cls_loss", "labels", "img_size")}
    assert trained(facts) == table("""
        0 49 0.98G 0.1184 0.03102 0.02811 17 416
        1 49 1.02G 0.1021 0.03244 0.02655 21 416
        2 49 1.02G 0.0931 0.03301 0.02589 14 416
        3 49 1.02G 0.08804 0.03187 0.0251 19 416
        4 49 1.02G 0.08417 0.03055 0.02477 23 416
    """)
    assert validated(facts) == table("""
        0 0.00271 0.125 0.00198 0.000431
        1 0.431 0.542 0.467 0.213
        2 0.402 0.551 0.458 0.207
        3 0.418 0.53 0.461 0.211
        4 0.427 0.529 0.466 0.212
    """)
    (stop,) = [note for note in only(Note, facts) if note.kind == "early stop"]
    assert "Best results observed at epoch 1" in stop.text
    assert only(TrainingCompleted, facts) == [TrainingCompleted(5, "0.005")]
    assert [summary.fused for summary in only(ModelSummary, facts)] == [False, True]
    assert parser.not_understood == 0


def test_the_final_validation_is_no_epoch() -> None:
    facts, _ = read_fixture("yolov5.txt")
    rows = final(facts)
    assert {row.weights for row in rows} == {"runs/train/exp4/weights/best.pt"}
    assert [[row.class_name, row.images, row.labels, *row.values.values()] for row in rows] == [
        ["all", 6, 14, "0.429", "0.54", "0.468", "0.214"],
        ["apple", 6, 9, "0.517", "0.667", "0.601", "0.297"],
        ["blood orange 2", 6, 5, "0.341", "0.413", "0.335", "0.131"],
    ]
    assert {tuple(row.values) for row in rows} == {METRICS}


def test_segmentation_has_two_sets_of_metrics() -> None:
    facts, _ = read_fixture("yolov5_seg.txt")
    assert columns(facts) == {("gpu_mem", "box_loss", "seg_loss", "obj_loss", "cls_loss", "labels", "img_size")}
    assert trained(facts) == table("""
        0 1 0G 0.1101 0.07211 0.04011 0.0251 18 416
        1 1 0G 0.09822 0.06534 0.04102 inf 25 416
    """)
    assert validated(facts) == table("""
        0 0.271 0.333 0.255 0.101 0.213 0.3 0.205 0.0721
        1 1 1 0.995 0.498 0 0 0.0421 0.0117
    """)
    every = [row for row in only(ValidationRow, facts)]
    assert {tuple(row.values) for row in every} == {(*METRICS, *(f"{name}(M)" for name in METRICS))}
    assert [(row.class_name, row.images, row.labels) for row in final(facts)] == [("all", 6, 14), ("apple", 6, 9)]
    assert final(facts)[1].values["mAP@.5"] == "0.41"


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        ("Epoch   gpu_mem       box       obj       cls     total   targets  img_size", "box obj cls total labels"),
        ("Epoch   gpu_mem       box       obj       cls    labels  img_size", "box obj cls labels"),
        (
            "Epoch    GPU_mem   box_loss   seg_loss   obj_loss   cls_loss  Inst",
            "box_loss seg_loss obj_loss cls_loss labels",
        ),
    ],
)
def test_columns_have_the_names_of_their_own_titles(titles: str, names: str) -> None:
    numbers = " ".join(f"0.{at}" for at, _ in enumerate(names.split()[:-1], 1))
    (_, row) = read(log(titles, f"0/2 1.5G {numbers} 12 640: {bar(3, 3)}"))
    assert list(row.values) == ["gpu_mem", *names.split(), "img_size"]
    assert list(row.values.values()) == ["1.5G", *numbers.split(), "12", "640"]


@pytest.mark.parametrize(
    "row",
    [
        ROW.replace(" 0.017", ""),
        ROW.replace("0.017", "0.017      0.018"),
        ROW.replace("3.74G", "3.74"),
        ROW.replace("0.046", "0,046"),
        ROW.replace("232", "2.3"),
        ROW.replace("0/2", "0:2"),
    ],
)
def test_a_row_that_does_not_fit_its_titles_is_not_read(row: str) -> None:
    assert read(log(TITLES, f"{row}: {bar(3, 3)}")) == []


@pytest.mark.parametrize(
    "titles",
    [
        VALIDATION.replace("mAP50-95", "F1"),
        VALIDATION.replace("mAP50", "R", 1),
        VALIDATION + "  speed",
        VALIDATION + "     Cube(P          R      mAP50  mAP50-95)",
    ],
)
def test_metrics_below_unknown_titles_are_not_read(titles: str) -> None:
    facts = read(log(TITLES, f"{ROW}: {bar(3, 3)}", f"{titles}: {bar(2, 2)}", ALL))
    assert len(only(EpochRow, facts)) == 1
    assert only(ValidationRow, facts) == []


def test_a_row_of_another_width_than_its_titles_is_not_read() -> None:
    rows = [f"{ALL}      0.1", ALL.rsplit(None, 1)[0], ALL.replace("929", "92.9"), ALL.replace("0.451", "0.451%")]
    assert only(ValidationRow, read(log(f"{VALIDATION}: {bar(2, 2)}", *rows))) == []
    assert len(only(ValidationRow, read(log(f"{VALIDATION}: {bar(2, 2)}", ALL)))) == 1


def test_a_validation_whose_row_is_lost_does_not_shift_the_next() -> None:
    lines = [TITLES, f"{ROW}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}"]
    again = [TITLES, f"{ROW.replace('0/2', '1/2')}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", ALL]
    assert [row.epoch for row in only(ValidationRow, read(log(*lines, *again)))] == [1]


def test_an_export_of_clearml() -> None:
    lines = [
        "1667892735583 host-7 error Starting training for 3 epochs...",
        TITLES,
        f"1667892746021 host-7 error {ROW.replace('0.046', '0.051')}: {bar(1, 3)}",
        f"1667892756053 host-7 error {ROW}: {bar(3, 3)}",
        f"1667892756054 host-7 error {VALIDATION}: {bar(1, 2)}",
        f"{VALIDATION}: {bar(2, 2)}",
        ALL,
        "1667892756055 host-7 info ",
    ]
    facts = read(log(*lines))
    assert [row.values["box_loss"] for row in only(EpochRow, facts)] == ["0.046"]
    assert [row.epoch for row in only(ValidationRow, facts)] == [0]


def test_a_stand_alone_validation_tells_its_weights() -> None:
    options = "val: data=coco.yaml, weights=['yolov5s.pt'], batch_size=32, imgsz=640, task=val, verbose=False"
    (row,) = only(ValidationRow, read(log(options, f"{VALIDATION}: {bar(2, 2)}", ALL)))
    assert (row.epoch, row.weights) == (None, "yolov5s.pt")


def test_a_row_without_its_bar_lacks_the_last_number_that_may_be_cut() -> None:
    facts = read(log(TITLES, ROW.rstrip()[:-2], TITLES))
    (row,) = only(EpochRow, facts)
    assert list(row.values) == ["gpu_mem", "box_loss", "obj_loss", "cls_loss", "labels"]
    (row,) = only(EpochRow, read(log(TITLES, f"{ROW}:", TITLES)))
    assert row.values["img_size"] == "640"
    assert only(EpochRow, read(log(TITLES, "        0/2", TITLES))) == []


def test_titles_that_the_terminal_has_cut() -> None:
    facts = read(log(TITLES, f"{ROW}: {bar(3, 3)}", VALIDATION[: VALIDATION.index("mAP50-95") + 3], ALL))
    (row,) = only(ValidationRow, facts)
    assert (row.epoch, tuple(row.values)) == (0, METRICS)
    facts = read(log(TITLES, f"{ROW}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", VALIDATION[:50], ALL))
    assert len(only(ValidationRow, facts)) == 1


def test_a_class_may_have_any_name() -> None:
    names = ["Class A", "all", "Epoch 1", "12", "a  b", "nan", "Speed: 3"]
    lines = [ALL.replace("all", name) for name in names]
    facts = read(log(f"{VALIDATION}: {bar(2, 2)}", ALL, *lines[:1], *lines[2:]))
    assert [row.class_name for row in only(ValidationRow, facts)] == ["all", *names[:1], *names[2:]]
