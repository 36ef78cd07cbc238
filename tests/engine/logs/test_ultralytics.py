"""Ultralytics with the bars of both kinds, and YOLOv9, which prints the same table and counts from 0."""

import pytest

from engine.contracts.facts import (
    CheckpointStripped,
    Crash,
    EpochRow,
    LogFormat,
    ModelSummary,
    Note,
    TrainingCompleted,
    TrainingStarted,
    ValidationRow,
)
from engine.logs.parser import LogParser
from tests.engine.logs.printed import bar, log, only, read
from tests.engine.logs.reading import columns, final, read_fixture, table, trained, validated

COLUMNS = ("gpu_mem", "box_loss", "cls_loss", "dfl_loss", "labels", "img_size")
TITLES = "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size"
ROW = "      12/40      2.31G      1.812       3.41      1.507         33        640"
VALIDATION = "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95)"
ALL = "                   all          8         21      0.608      0.571      0.633      0.341"
BANNER = "Ultralytics 8.3.240 \U0001f680 Python-3.12.3 torch-2.9.0+cu128 CUDA:0 (NVIDIA L4, 22563MiB)"
OPTIONS = "engine/trainer: agnostic_nms=False, data=fruit.yaml, epochs=40, mode=train, model=yolo11n.pt"


def test_the_newest_bars_and_an_early_stop() -> None:
    facts, parser = read_fixture("ultralytics.txt")
    assert columns(facts) == {COLUMNS}
    assert trained(facts) == table("""
        1 40 2.31G 1.812 3.41 1.507 33 640
        2 40 2.38G 1.633 2.904 1.442 41 640
        3 40 2.38G 1.588 2.377 1.409 29 640
        4 40 2.38G 1.571 2.01 1.398 38 640
    """)
    assert validated(facts) == table("""
        1 0.0102 0.25 0.0187 0.00712
        2 0.608 0.571 0.633 0.341
        3 0.577 0.589 0.615 0.33
        4 0.593 0.571 0.622 0.338
    """)
    assert [row.seconds for row in only(EpochRow, facts)] == [64, 58.2, 57.9, 3603]
    assert only(LogFormat, facts) == [LogFormat("ultralytics", 1)]
    assert only(TrainingCompleted, facts) == [TrainingCompleted(4, "0.019")]
    (stop,) = [note for note in only(Note, facts) if note.kind == "early stop"]
    assert "Best results observed at epoch 2" in stop.text
    assert only(ModelSummary, facts) == [
        ModelSummary(181, 2590230, 2590214, "6.4", fused=False),
        ModelSummary(100, 2582542, 0, "6.3", fused=True),
    ]
    assert parser.not_understood == 0


def test_the_final_validation_is_no_epoch() -> None:
    rows = final(read_fixture("ultralytics.txt")[0])
    assert {row.weights for row in rows} == {"runs/detect/train3/weights/best.pt"}
    assert [[row.class_name, row.images, row.labels, *row.values.values()] for row in rows] == [
        ["all", 8, 21, "0.61", "0.571", "0.634", "0.343"],
        ["apple", 7, 13, "0.712", "0.692", "0.748", "0.421"],
        ["blood orange", 4, 8, "0.508", "0.45", "0.52", "0.265"],
    ]


def test_bars_of_tqdm_and_rows_behind_them() -> None:
    facts, parser = read_fixture("ultralytics_tqdm.txt")
    assert trained(facts) == table("""
        1 3 1.9G nan nan nan 27 640
        2 3 1.9G inf 3.2 1.5 31 640
        3 3 1.9G 1.644 2.877 1.461 24 640
    """)
    assert validated(facts) == table("""
        1 0 0 0 0
        2 0.0108 0.00747 0.0087 0.00765
        3 0.5 1 0.875 0.503
    """)
    (row,) = final(facts)
    assert (row.weights, row.values["mAP@.5:.95"]) == ("D:\\runs\\detect\\fruit\\weights\\best.pt", "0.505")
    assert [fact.megabytes for fact in only(CheckpointStripped, facts)] == ["6.3", "6.3"]
    assert parser.not_understood == 0


def test_yolov9_counts_from_0() -> None:
    facts, parser = read_fixture("yolov9.txt")
    assert columns(facts) == {COLUMNS}
    assert trained(facts) == table("""
        0 2 9.97G 5.102 7.913 5.233 15 640
        1 2 9.97G 4.871 6.654 5.108 13 640
        2 2 9.97G 4.502 5.97 4.989 9 640
    """)
    assert validated(facts) == table("""
        0 0.00281 0.3 0.00266 0.000772
        1 0.0041 0.35 0.00391 0.00128
        2 0.212 0.15 0.0544 0.0151
    """)
    assert [fact.first_epoch for fact in only(LogFormat, facts)] == [0]
    assert [row.values["mAP@.5"] for row in final(facts)] == ["0.0547"]
    assert parser.not_understood == 0


@pytest.mark.parametrize(
    ("validation", "first"), [(VALIDATION, 1), (VALIDATION.replace("Box(P", "    P").replace(")", ""), 0)]
)
def test_without_a_head_the_titles_of_the_validation_tell_what_is_counted_from(validation: str, first: int) -> None:
    facts = read(log(TITLES, f"{ROW}: {bar(3, 3)}", f"{validation}: {bar(2, 2)}", ALL))
    assert [fact.first_epoch for fact in only(LogFormat, facts)] == [first]
    assert [row.epoch for row in only(ValidationRow, facts)] == [12]


@pytest.mark.parametrize(
    ("losses", "groups"),
    [
        ("box_loss seg_loss cls_loss dfl_loss", "Box(P R mAP50 mAP50-95) Mask(P R mAP50 mAP50-95)"),
        ("box_loss pose_loss kobj_loss cls_loss dfl_loss", "Box(P R mAP50 mAP50-95) Pose(P R mAP50 mAP50-95)"),
        ("giou_loss cls_loss l1_loss", "Box(P R mAP50 mAP50-95)"),
    ],
)
def test_other_tasks_add_columns(losses: str, groups: str) -> None:
    numbers = [f"0.{at}" for at, _ in enumerate(losses.split(), 1)]
    metrics = [f"0.{at}" for at, _ in enumerate(groups.split(), 1)]
    facts = read(
        log(
            f"Epoch GPU_mem {losses} Instances Size",
            f"1/1 2G {' '.join(numbers)} 7 640: {bar(3, 3)}",
            f"Class Images Instances {groups}: {bar(2, 2)}",
            f"all 8 21 {' '.join(metrics)}",
        )
    )
    (row,) = only(EpochRow, facts)
    assert row.values == {
        "gpu_mem": "2G",
        **dict(zip(losses.split(), numbers, strict=True)),
        "labels": "7",
        "img_size": "640",
    }
    (evaluated,) = only(ValidationRow, facts)
    suffixes = ["", "(M)"] if "Mask" in groups else ["", "(P)"] if "Pose" in groups else [""]
    names = [f"{name}{suffix}" for suffix in suffixes for name in ("P", "R", "mAP@.5", "mAP@.5:.95")]
    assert evaluated.values == dict(zip(names, metrics, strict=True))


@pytest.mark.parametrize(
    "titles",
    [
        "Epoch GPU_mem loss Instances Size",
        "Epoch GPU_mem box_loss cls_loss",
        "Epoch GPU_mem box_loss cls_loss speed Size",
        "Epoch GPU_mem box_loss cls_loss dfl_loss Instances Size more",
        "Epoch GPU_mem box_loss box_loss dfl_loss Instances Size",
    ],
)
def test_other_titles_leave_their_rows_alone(titles: str) -> None:
    assert read(log(titles, f"{ROW}: {bar(3, 3)}", f"{ROW.replace(' 1.812', '')}: {bar(3, 3)}")) == []


def test_a_killed_training_has_a_bar_and_no_epoch() -> None:
    parser = LogParser()
    drawn = f"{ROW}: 9% ━─────────── 609/6848 2.7it/s 3:38<38:10WARNING ⚠️ out of memory in an assigner, using CPU"
    facts = read(log(TITLES, f"\r\x1b[K{ROW}: 0% ──────────── 0/6848  1.2s\r\x1b[K{drawn}"), parser)
    assert [type(fact) for fact in facts] == [Note]
    progress = parser.progress
    assert progress is not None
    assert (progress.epoch, progress.last_epoch, progress.done, progress.total) == (12, 40, 609, 6848)
    assert (progress.elapsed_seconds, progress.remaining_seconds, progress.rate) == (218, 2290, "2.7it/s")
    assert progress.values["box_loss"] == "1.812"


def test_a_bar_whose_count_is_cut_is_not_complete() -> None:
    lines = [f"{ROW}: 99% ━━━━━━━━━━━─ 68/6", f"{ROW}: 100% ━━━━━━━━━━━━ 6848/6848 2.7it/s 4:0"]
    assert only(EpochRow, read(log(TITLES, lines[0]))) == []
    (row,) = only(EpochRow, read(log(TITLES, lines[1])))
    assert row.seconds is None


def test_the_banner_before_the_final_validation_starts_no_new_process() -> None:
    training = [OPTIONS, "Starting training for 40 epochs...", TITLES, f"{ROW}: {bar(3, 3)}"]
    crash = ["Traceback (most recent call last):", '  File "x.py", line 1, in <module>', "ValueError: no"]
    facts = read(log(BANNER, *training, *crash, BANNER, f"{VALIDATION}: {bar(2, 2)}", ALL))
    assert len(only(Crash, facts)) == len(only(TrainingStarted, facts)) == 1
    assert [row.epoch for row in only(ValidationRow, facts)] == [None], "not that of the epoch before the crash"
    ended = ["Validating best.pt...", BANNER, f"{VALIDATION}: {bar(2, 2)}", ALL]
    facts = read(log(BANNER, *training, f"{VALIDATION}: {bar(2, 2)}", ALL, *ended))
    assert [(row.epoch, row.weights) for row in only(ValidationRow, facts)] == [(12, None), (None, "best.pt")]


def test_the_validation_of_an_epoch_whose_row_was_thrown_away_is_not_read() -> None:
    head = "Streaming output truncated to the last 5000 lines."
    row = f"{ROW}: {bar(3, 3)}"
    before = [TITLES, row]  # of another output in the same file, whose last epoch was not validated
    lines = [*before, head, row, f"{VALIDATION}: {bar(2, 2)}", ALL, TITLES, row.replace("12/40", "13/40")]
    facts = read(log(*lines, f"{VALIDATION}: {bar(2, 2)}", ALL.replace("0.341", "0.342")))
    assert [fact.epoch for fact in only(EpochRow, facts)] == [12, 13]
    assert [(row.epoch, row.values["mAP@.5:.95"]) for row in only(ValidationRow, facts)] == [(13, "0.342")]


def test_an_epoch_that_is_run_again_is_validated_again() -> None:
    once = [TITLES, f"{ROW}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", ALL]
    again = [line.replace("1.812", "1.7").replace("0.341", "0.35") for line in once]
    facts = read(log(*once, "WARNING: NaN, going back to last.pt", *again))
    assert [row.values["box_loss"] for row in only(EpochRow, facts)] == ["1.812", "1.7"]
    assert [(row.epoch, row.values["mAP@.5:.95"]) for row in only(ValidationRow, facts)] == [
        (12, "0.341"),
        (12, "0.35"),
    ]


def test_trainers_that_count_from_0_and_from_1_in_one_file() -> None:
    nine = ["Starting training for 2 epochs...", TITLES, f"{ROW.replace('12/40', ' 0/1 ')}: {bar(3, 3)}"]
    eight = [
        BANNER,
        OPTIONS,
        "Starting training for 2 epochs...",
        TITLES,
        f"{ROW.replace('12/40', ' 1/2 ')}: {bar(3, 3)}",
    ]
    assert [fact.first_epoch for fact in only(LogFormat, read(log(*nine, *eight)))] == [0, 1]
