"""What the parser makes of the lines of a training, as they come."""

import pytest

from engine.contracts.facts import (
    CheckpointStripped,
    CocoLine,
    EpochRow,
    ModelSummary,
    Note,
    TrainingCompleted,
    TrainingStarted,
    ValidationRow,
)
from engine.logs.parser import LogParser
from tests.engine.logs.printed import (
    ALL_KINDS,
    COCO_AP,
    HEADER,
    VALIDATION,
    bar,
    log,
    metrics,
    only,
    read,
    row,
)

ROW = {
    "gpu_mem": "7.5G",
    "box": "0.05",
    "obj": "0.02",
    "cls": "0.01",
    "total": "0.08",
    "labels": "132",
    "img_size": "640",
}


def test_a_log_of_all_kinds() -> None:
    facts = read(ALL_KINDS)
    losses = [(fact.epoch, fact.values["box"]) for fact in only(EpochRow, facts)]
    assert losses == [(0, "0.045"), (1, "0.04"), (2, "0.03")]
    assert [(fact.epoch, fact.class_name, fact.weights) for fact in only(ValidationRow, facts)] == [
        (0, "all", None),
        (1, "all", None),
        (1, "traffic light", None),
        (2, "all", None),
        (None, "all", "last"),
    ]
    assert only(Note, facts)[1].text == "hyperparameters: lr0=0.01, lrf=0.1", "without its colours"
    assert [fact.fused for fact in only(ModelSummary, facts)] == [False, True]
    assert only(TrainingStarted, facts) == [TrainingStarted(3)]
    assert only(TrainingCompleted, facts) == [TrainingCompleted(3, "0.123")]


def test_two_lines_are_not_understood_and_are_counted() -> None:
    parser = LogParser()
    read(ALL_KINDS, parser)
    assert parser.not_understood == 2, "`what nobody knows` and the unfinished line at the end"


def test_line_feeds_of_windows_change_nothing() -> None:
    data = log(HEADER, f"{row(0)}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.4))
    assert read(data.replace(b"\n", b"\r\n")) == read(data)
    assert len(read(data)) == 2


def test_of_redraws_only_the_last_one_counts() -> None:
    redraws = [f"{row(0, loss=0.09)}: {bar(1, 3)}", f"{row(0, loss=0.07)}: {bar(2, 3)}", f"{row(0)}: {bar(3, 3)}"]
    parser = LogParser()
    (fact,) = read(log(HEADER) + ("\r" + "\r".join(redraws) + "\r\n").encode(), parser)
    assert fact == EpochRow(0, 2, ROW, seconds=10)
    assert parser.lines == 2


def test_colours_and_cursor_movements_are_not_seen() -> None:
    line = f"\x1b[2K\x1b[34m\x1b[1m{row(0)}\x1b[0m: \x1b[32m{bar(3, 3)}\x1b[0m\x1b[A"
    assert read(log("\x1b]0;train\x07" + HEADER, line)) == [EpochRow(0, 2, ROW, seconds=10)]


def test_inside_an_epoch_there_is_progress_and_no_row() -> None:
    parser = LogParser()
    facts = parser.feed(log(HEADER) + f"\r{row(0, loss=0.09)}: {bar(1, 3)}\r{row(0)}: {bar(2, 3)}".encode())
    assert facts == []
    progress = parser.progress
    assert progress is not None
    assert (progress.phase, progress.done, progress.total, progress.epoch, progress.last_epoch) == ("train", 2, 3, 0, 2)
    assert (progress.elapsed_seconds, progress.remaining_seconds, progress.rate) == (10, 5, "3.41it/s")
    assert progress.values == ROW


def test_a_bar_that_is_half_written_does_not_replace_the_one_before() -> None:
    parser = LogParser()
    parser.feed(log(HEADER) + f"\r{row(0)}: {bar(12, 300)}\r{row(0)}:   4%|#| 1".encode())
    assert parser.progress is not None
    assert (parser.progress.done, parser.progress.total) == (12, 300)


def test_the_bar_of_a_validation_belongs_to_its_epoch() -> None:
    parser = LogParser()
    parser.feed(log(HEADER, f"{row(1)}: {bar(3, 3)}") + f"\r{VALIDATION}: {bar(1, 2)}".encode())
    assert parser.progress is not None
    assert (parser.progress.phase, parser.progress.epoch, parser.progress.done) == ("val", 1, 1)


def test_an_epoch_whose_bar_never_ended_is_no_row() -> None:
    assert read(log(HEADER, f"{row(0)}: {bar(2, 3)}")) == []


def test_an_epoch_that_was_plainly_over_has_a_row_without_running_means() -> None:
    facts = read(
        log(HEADER, f"{row(0)}: {bar(2, 3)}", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.4))
    )
    assert only(EpochRow, facts) == [EpochRow(0, 2, {}, None)]
    assert only(ValidationRow, facts)[0].epoch == 0


def test_a_row_of_stdout_that_comes_after_the_next_header_belongs_to_its_own_epoch() -> None:
    """The bars go to stderr and the rows to stdout: into one file they come out of order."""
    bars = f"{VALIDATION}: {bar(2, 2)}"
    facts = read(
        log(
            *(HEADER, f"{row(0)}: {bar(3, 3)}", bars),
            *(HEADER, metrics("all", 0.1, 0.2, 0.3, 0.4), f"{row(1)}: {bar(3, 3)}", bars),
            *(HEADER, f"{row(2)}: {bar(3, 3)}", bars),
            *(metrics("all", 0.2, 0.2, 0.3, 0.4), metrics("all", 0.3, 0.2, 0.3, 0.4)),
        )
    )
    assert [(fact.epoch, fact.values["P"]) for fact in only(ValidationRow, facts)] == [
        (0, "0.1"),
        (1, "0.2"),
        (2, "0.3"),
    ]


def test_an_epoch_without_validation_leaves_a_gap_and_shifts_nothing() -> None:
    facts = read(
        log(
            *(HEADER, f"{row(0)}: {bar(3, 3)}"),
            *(HEADER, f"{row(1)}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.4)),
        )
    )
    assert [fact.epoch for fact in only(EpochRow, facts)] == [0, 1]
    assert [fact.epoch for fact in only(ValidationRow, facts)] == [1]


def test_rows_of_classes_follow_their_evaluation() -> None:
    facts = read(
        log(
            "Namespace(weights=['best.pt'], data='coco.yaml', task='val')",
            f"{VALIDATION}: {bar(2, 2)}",
            metrics("all", 0.1, 0.2, 0.3, 0.4),
            metrics("person", 0.5, 0.6, 0.7, 0.8, labels=10),
            metrics("traffic light", 0.1, float("nan"), 0, 1, labels=20),
            COCO_AP,
        )
    )
    rows = only(ValidationRow, facts)
    assert [(fact.class_name, fact.labels) for fact in rows] == [("all", 900), ("person", 10), ("traffic light", 20)]
    assert rows[2].values == {"P": "0.1", "R": "nan", "mAP@.5": "0", "mAP@.5:.95": "1"}
    assert {(fact.evaluation, fact.epoch, fact.weights) for fact in rows} == {(0, None, "best.pt")}
    assert only(CocoLine, facts) == [CocoLine("AP", "0.493", 0, None, "best.pt")]


@pytest.mark.parametrize("prefix", ["[rank0]: ", "[rank0]:", "[default0]:", "[0]: ", "0: "])
def test_the_prefixes_of_launchers_are_taken_off(prefix: str) -> None:
    lines = [HEADER, f"{row(0)}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.4)]
    assert read(log(*(prefix + line for line in lines))) == read(log(*lines))


def test_a_run_that_was_resumed_in_the_same_file_starts_anew() -> None:
    begin = "YOLOR v0.1 torch 1.12.1 CUDA:0 (Tesla T4, 14910MB)"
    facts = read(
        log(
            *(begin, HEADER, f"{row(0)}: {bar(3, 3)}", HEADER, f"{row(1)}: {bar(2, 3)}"),
            *(begin, "Resuming training from last.pt", HEADER, f"{row(1, loss=0.04)}: {bar(3, 3)}"),
        )
    )
    assert [(fact.epoch, fact.values["box"]) for fact in only(EpochRow, facts)] == [(0, "0.05"), (1, "0.04")]


@pytest.mark.parametrize(
    "header",
    [
        "     Epoch    GPU_mem   box_loss   obj_loss   cls_loss  Instances       Size",
        "     Epoch   gpu_mem      loss       obj       cls     total   targets  img_size",
        "     Epoch  iou_loss  dfl_loss  cls_loss",
        "Epoch gpu_mem box obj cls total objects img_size",
    ],
)
def test_rows_below_another_trainers_titles_are_not_read(header: str) -> None:
    assert read(log(header, f"{row(0)}: {bar(3, 3)}")) == []


def test_numbers_stay_the_text_that_was_printed() -> None:
    line = row(0).replace("0.02", " nan").replace("0.01", " inf").replace("0.05", "1e-5")
    (fact,) = read(log(HEADER, f"{line}: {bar(3, 3)}"))
    assert [fact.values[key] for key in ("box", "obj", "cls")] == ["1e-5", "nan", "inf"]


def test_a_checkpoint_that_was_saved_under_another_name() -> None:
    (fact,) = read(log("Optimizer stripped from a, b.pt, saved as c.pt, 75.6MB"))
    assert fact == CheckpointStripped("a, b.pt", "75.6", "c.pt")
