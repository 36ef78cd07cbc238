"""Our own `::yoloqat` lines: what the lines of YOLOv7 cannot say."""

import io
from contextlib import redirect_stdout

import pytest

from engine.contracts.events import emit
from engine.contracts.facts import CocoLine, EpochRow, StageEvent, ValidationRow
from engine.logs.parser import LogParser
from tests.engine.logs.printed import COCO_AP, HEADER, VALIDATION, bar, event, log, metrics, only, read, row

EPOCH = (HEADER, f"{row(0)}: {bar(3, 3)}", f"{VALIDATION}: {bar(2, 2)}", metrics("all", 0.1, 0.2, 0.3, 0.4))


def test_what_a_stage_emits_is_read_back() -> None:
    fields = {"label": "PTQ \U0001f680", "rates": [0.01, 1e-9], "is_best": True, "nothing": None, "deep": {"a": [1]}}
    printed = io.StringIO()
    with redirect_stdout(printed):
        emit("calibrated", **fields)
    assert read(printed.getvalue().encode()) == [StageEvent("calibrated", fields)]


@pytest.mark.parametrize("before", ["", "[rank0]: ", f"{row(0)}: {bar(1, 3)}", "\x1b[0m"])
def test_an_event_is_found_behind_what_another_stream_left_on_the_line(before: str) -> None:
    assert read(log(before + event("checkpoint", epoch=1))) == [StageEvent("checkpoint", {"epoch": 1})]


def test_an_event_may_be_longer_than_any_line_of_text() -> None:
    rows = [{"layer": f"model.{number}.conv", "error": number / 7} for number in range(2000)]
    (fact,) = read(log(event("sensitivity", rows=rows)))
    assert fact.payload == {"rows": rows}


def test_an_evaluation_is_tied_to_the_label_and_weights_announced_before_it() -> None:
    facts = read(
        log(
            event("stage", name="ptq"),
            *(event("evaluating", label="float", weights="best.pt"), f"{VALIDATION}: {bar(2, 2)}"),
            *(metrics("all", 0.7, 0.6, 0.5, 0.4), metrics("person", 0.5, 0.5, 0.5, 0.5), COCO_AP),
            event("evaluation", label="float", weights="best.pt", metrics={"mAP@.5:.95": 0.40123}),
            *(event("evaluating", label="PTQ", weights="ptq.pt"), f"{VALIDATION}: {bar(2, 2)}"),
            *(metrics("all", 0.6, 0.6, 0.5, 0.3), COCO_AP),
            event("evaluation", label="PTQ", weights="ptq.pt", metrics={"mAP@.5:.95": 0.30123}),
        )
    )
    names = [(fact.evaluation, fact.label, fact.weights) for fact in only(ValidationRow, facts)]
    assert names == [(0, "float", "best.pt"), (0, "float", "best.pt"), (1, "PTQ", "ptq.pt")]
    assert [(fact.evaluation, fact.label) for fact in only(CocoLine, facts)] == [(0, "float"), (1, "PTQ")]
    told = [(fact.evaluation, fact.payload["metrics"]) for fact in only(StageEvent, facts) if fact.name == "evaluation"]
    assert told == [(0, {"mAP@.5:.95": 0.40123}), (1, {"mAP@.5:.95": 0.30123})]


def test_an_evaluation_that_prints_no_rows_is_still_one() -> None:
    facts = read(log(event("evaluating", label="ONNX", weights="m.onnx"), event("evaluation", metrics={"AP": 0.5})))
    assert [fact.evaluation for fact in only(StageEvent, facts)] == [None, 0]


def test_the_ptq_model_is_not_taken_for_an_epoch_of_the_fine_tuning_after_it() -> None:
    facts = read(
        log(
            *(event("evaluating", label="PTQ", weights="ptq.pt"), f"{VALIDATION}: {bar(2, 2)}"),
            *(metrics("all", 0.9, 0.2, 0.3, 0.4), event("evaluation", label="PTQ", weights="ptq.pt", metrics={})),
            *EPOCH,
            event("epoch", epoch=0, epochs=3),
        )
    )
    assert [(fact.epoch, fact.values["P"]) for fact in only(ValidationRow, facts)] == [(None, "0.9"), (0, "0.1")]
    assert [fact.epoch for fact in only(EpochRow, facts)] == [0]


def test_a_stage_that_starts_again_in_the_same_log_forgets_the_epoch_it_was_in() -> None:
    again = log(event("stage", name="retrain"), *EPOCH)
    facts = read(log(HEADER, f"{row(0)}: {bar(2, 3)}") + again + again)
    assert [fact.epoch for fact in only(EpochRow, facts)] == [0, 0]
    assert [fact.epoch for fact in only(ValidationRow, facts)] == [0, 0]


@pytest.mark.parametrize("line", ["::yoloqat", "::yoloqat {", "::yoloqat null", ':: yoloqat {"event": "x"}'])
def test_what_is_no_event_is_not_understood(line: str) -> None:
    parser = LogParser()
    assert read(log(line), parser) == []
    assert parser.not_understood == 1
