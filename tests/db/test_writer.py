"""Rows in and out: whatever is written again changes nothing, and the pieces in which facts come do not matter."""

from pathlib import Path
from typing import Any

import pytest

from db.open import Store, open_store
from db.reading.detail import get_detail
from db.reading.runs import list_runs
from db.rows_of_facts import FactRows
from db.summary import refresh_summary
from db.views import Number, RunDetail
from db.writer import clear_attempt, delete_run, write_attempt, write_facts, write_result, write_run
from engine.contracts.facts import CocoLine, EpochRow, Fact, Note, StageEvent, TrainingStarted, ValidationRow
from engine.contracts.result import Artifact, EvaluationResult, EvaluationSettings, StageResult
from tests.db.rows import Dump, a_run, add_run, an_attempt, dump

METRICS = {"P": "0.7", "R": "0.6", "mAP@.5": "0.5", "mAP@.5:.95": "0.4"}
FACTS: list[Fact] = [
    Note("device", "Tesla T4"),
    TrainingStarted(2),
    EpochRow(0, 1, {"box": "0.05", "obj": "nan", "gpu_mem": "7.5G"}, seconds=10),
    ValidationRow("all", 128, 900, METRICS, 0, epoch=0),
    StageEvent("epoch", {"epoch": 0, "epochs": 2, "lr": [0.01], "metrics": {"mAP@.5:.95": 0.39876}, "seconds": 12.5}),
    EpochRow(1, 1, {"box": "0.04"}, seconds=11),
    ValidationRow("all", 128, 900, {**METRICS, "mAP@.5:.95": "0.41"}, 1, epoch=1),
    ValidationRow("person", 128, 12, {"mAP@.5": "0.3"}, 1, epoch=1),
    StageEvent("evaluating", {"label": "final", "weights": "last.pt"}),
    ValidationRow("all", 128, 900, METRICS, 2, weights="last.pt", label="final"),
    CocoLine("AP", "0.401", 2, weights="last.pt", label="final"),
    StageEvent("evaluation", {"metrics": {"AP": 0.40123}, "settings": {"images": 128}, "backend": "pytorch"}, 2),
    Note("warning", "é \x00 \u2028"),
]
SETTINGS = EvaluationSettings(
    data="0" * 64, split="val", images=128, image_size=640, letterbox="rect", conf_thres=0.001, iou_thres=0.65
)


def result(**metrics: float) -> StageResult:
    def evaluation(label: str, weights: str) -> EvaluationResult:
        classes = {"person": {"mAP@.5": 0.30001}}
        named: dict[str, Any] = {"label": label, "weights": weights, "backend": "pytorch", "settings": SETTINGS}
        times = {"inference": 1.5}
        return EvaluationResult(**named, metrics=metrics, per_class=classes, milliseconds_per_image=times)

    return StageResult(
        stage="retrain",
        seconds=1.0,
        inputs=[Artifact(role="weights", path="/in.pt", size_bytes=1, sha256="a" * 64)],
        artifacts=[Artifact(role="best", path="weights/best.pt", size_bytes=2, sha256="b" * 64)],
        evaluations=[evaluation("final", "last.pt"), evaluation("ONNX", "m.onnx")],
        details={"kept": "QAT"},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "yoloqat.db"


def written(path: Path, pieces: list[list[Fact]], *, times: int = 1) -> Dump:
    """What a database holds after facts have come in pieces, each in a transaction of its own."""
    store = open_store(path)
    add_run(store, "run")
    for _ in range(times):
        ordinal = 0
        for piece in pieces:
            rows = FactRows.of(piece)
            with store.writing("run") as connection:
                write_facts(connection, "run", 1, rows, ordinal)
                refresh_summary(connection, "run")
            ordinal += len(rows.events)
    store.close()
    return dump(path)


def detail_of(path: Path) -> RunDetail:
    store = open_store(path)
    with store.reading() as connection:
        detail = get_detail(connection, "run")
    store.close()
    assert detail is not None
    return detail


def test_the_pieces_do_not_matter(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.db", [FACTS])
    assert written(tmp_path / "single.db", [[fact] for fact in FACTS]) == whole
    for cut in range(len(FACTS)):
        assert written(tmp_path / f"{cut}.db", [FACTS[:cut], FACTS[cut:]]) == whole


def test_what_is_written_again_changes_nothing(tmp_path: Path) -> None:
    assert written(tmp_path / "twice.db", [FACTS], times=2) == written(tmp_path / "once.db", [FACTS])


def test_numbers_keep_their_text_and_their_value(path: Path) -> None:
    written(path, [FACTS])
    first, second = detail_of(path).epochs
    assert first.values["box"] == Number("0.05", 0.05)
    assert first.values["obj"] == Number("nan", None)
    assert first.values["gpu_mem"] == Number("7.5G", 7.5)
    assert first.values["mAP@.5:.95"] == Number("0.4", 0.39876), "as printed, with the value that the event tells"
    assert first.values["lr/0"] == Number("0.01", 0.01)
    assert first.values["seconds"].value == 12.5
    assert second.values["mAP@.5:.95"] == Number("0.41", 0.41)


def test_the_summary_tells_the_best_epoch(path: Path) -> None:
    written(path, [FACTS])
    run = detail_of(path).run
    assert (run.epochs_done, run.epochs_total, run.best_epoch) == (2, 2, 1)
    assert run.best_map == Number("0.41", 0.41)
    assert run.map_curve == (0.39876, 0.41)


def test_evaluations_are_those_with_classes_and_those_after_the_epochs(path: Path) -> None:
    written(path, [FACTS])
    of_epoch, final = detail_of(path).evaluations
    assert (of_epoch.label, of_epoch.epoch, of_epoch.values["P"].text) == ("epoch 1", 1, "0.7")
    assert of_epoch.per_class["person"] == {"labels": Number("12", 12), "mAP@.5": Number("0.3", 0.3)}
    assert (final.label, final.weights, final.images, final.backend) == ("final", "last.pt", 128, "pytorch")
    assert final.values["AP"].value == 0.40123
    assert final.settings == {"images": 128}


def test_a_result_adds_to_the_evaluations_of_the_log_and_may_be_read_again(path: Path) -> None:
    written(path, [FACTS])
    store = open_store(path)
    dumps = []
    for _ in range(2):
        with store.writing("run") as connection:
            write_result(connection, "run", 1, result(AP=0.4012345))
        dumps.append(dump(path))
    store.close()
    assert dumps[0] == dumps[1]
    detail = detail_of(path)
    assert [evaluation.label for evaluation in detail.evaluations] == ["epoch 1", "final", "ONNX"]
    assert detail.evaluations[1].values["AP"] == Number("0.4012345", 0.4012345, "result.json")
    assert detail.evaluations[2].values["ms/inference"].value == 1.5
    assert [(file.role, file.is_input) for file in detail.artifacts] == [("weights", True), ("best", False)]
    assert detail.details == {"kept": "QAT"}


def test_a_run_goes_with_all_its_rows_and_leaves_the_others(path: Path) -> None:
    store = open_store(path)
    add_run(store, "stays")
    before = dump(path)
    written(path, [FACTS])
    with store.writing("run") as connection:
        write_run(connection, a_run("run", name="renamed"), ["stays"], ["int8", "best"])
        write_result(connection, "run", 1, result(AP=0.5))
    with store.reading() as connection:
        (run,) = [run for run in list_runs(connection) if run.id == "run"]
    assert (run.name, run.parents, run.tags) == ("renamed", ("stays",), ("int8", "best"))
    assert run.epochs_done == 2, "what the log tells outlives a new name"
    with store.writing("run") as connection:
        delete_run(connection, "run")
    store.close()
    assert dump(path) == before


def test_an_attempt_that_is_read_anew_leaves_nothing_of_the_old_reading(path: Path) -> None:
    store = open_store(path)
    add_run(store, "run")
    before = dump(path)
    store.close()
    written(path, [FACTS])
    store = open_store(path)
    with store.writing("run") as connection:
        clear_attempt(connection, "run", 1)
        write_attempt(connection, an_attempt("run"))
    store.close()
    assert {**dump(path), "run_summary": []} == before


def test_a_later_attempt_covers_the_epochs_of_an_earlier_one(path: Path) -> None:
    written(path, [FACTS])
    store = open_store(path)
    again = [EpochRow(1, 2, {"box": "0.03"}), EpochRow(2, 2, {"box": "0.02"})]
    with store.writing("run") as connection:
        write_attempt(connection, an_attempt("run", 2))
        write_facts(connection, "run", 2, FactRows.of(again), 0)
        refresh_summary(connection, "run")
    store.close()
    detail = detail_of(path)
    assert [(epoch.attempt, epoch.epoch, epoch.values["box"].text) for epoch in detail.epochs] == [
        (1, 0, "0.05"),
        (2, 1, "0.03"),
        (2, 2, "0.02"),
    ]
    assert "mAP@.5:.95" not in detail.epochs[1].values, "the new epoch 1 has not been validated"
    assert (detail.run.epochs_done, detail.run.epochs_total) == (3, 3)
    assert [evaluation.label for evaluation in detail.evaluations] == ["final"], "the classes were of the old epoch 1"


def test_rows_of_an_interrupted_transaction_are_not_there(path: Path) -> None:
    store: Store = open_store(path)
    add_run(store, "run")
    before = dump(path)
    with pytest.raises(KeyboardInterrupt), store.writing("run") as connection:  # noqa: PT012
        write_facts(connection, "run", 1, FactRows.of(FACTS), 0)
        raise KeyboardInterrupt
    store.close()
    assert dump(path) == before
