"""NVIDIA's quantization-aware training of YOLOv7: epochs from 1, each evaluated with YOLOv7's table."""

from engine.contracts.facts import EpochRow, LogFormat, Note, ValidationRow
from tests.engine.logs.printed import HEADER, VALIDATION, bar, log, metrics, only, read, row
from tests.engine.logs.reading import final, read_fixture, table, trained, validated


def test_epochs_hold_the_rate_and_the_loss_of_their_last_iteration_by_that_name() -> None:
    facts, parser = read_fixture("nvidia_qat.txt")
    assert trained(facts) == table("""
        1 3 4.43083 1e-06
        2 3 2.0122 1e-05
        3 3 1.777 1e-06
    """)
    assert {tuple(row.values) for row in only(EpochRow, facts)} == {("last_iteration_loss", "lr/0")}
    assert only(LogFormat, facts) == [LogFormat("nvidia-qat", 1)]
    assert parser.not_understood == 1


def test_each_epoch_has_its_validation() -> None:
    facts, _ = read_fixture("nvidia_qat.txt")
    assert validated(facts) == table("""
        1 0.701 0.6 0.655 0.461
        2 0.712 0.611 0.66 0.467
        3 0.699 0.615 0.659 0.465
    """)
    assert {(row.images, row.labels) for row in only(ValidationRow, facts)} == {(6, 14)}
    assert final(facts) == []
    saved = [note.text for note in only(Note, facts) if note.kind == "checkpoint"]
    assert [text.rpartition(" ")[2] for text in saved] == ["0.46112", "0.46688"]


def test_an_evaluation_before_the_first_epoch_is_none_of_them() -> None:
    before = [f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.25)]
    epoch = ["QAT Finetuning 1 / 2, Loss: 3.0, LR: 1e-06", f"{VALIDATION}: {bar(2, 2)}"]
    facts = read(log(*before, *epoch, metrics("all", 0.1, 0.2, 0.3, 0.26)))
    assert [(row.epoch, row.values["mAP@.5:.95"]) for row in only(ValidationRow, facts)] == [
        (None, "0.25"),
        (1, "0.26"),
    ]


def test_an_epoch_that_was_not_finished_is_none() -> None:
    facts = read(log("QAT Finetuning 1 / 2, Loss: 3.0, LR: 1e-06", "QAT Finetuning 2 / 2, Loss: 3.0, LR: 1e-06"))
    assert [row.epoch for row in only(EpochRow, facts)] == [1]


def test_a_training_of_yolov7_in_the_same_file_counts_from_0_again() -> None:
    facts = read(log("QAT Finetuning 1 / 1, Loss: 3.0, LR: 1e-06", VALIDATION, HEADER, f"{row(0)}: {bar(3, 3)}"))
    assert [(fact.dialect, fact.first_epoch) for fact in only(LogFormat, facts)] == [("nvidia-qat", 1), ("yolov7", 0)]
    assert [fact.epoch for fact in only(EpochRow, facts)] == [1, 0]
