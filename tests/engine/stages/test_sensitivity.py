"""`ptq` with its searches and `sensitivity`, run as processes of their own."""

from pathlib import Path

import pytest

from engine.models.checkpoint import load_checkpoint
from engine.quant.state import QuantSpec
from tests.engine.stages.toy import CALIBRATION_IMAGES, SIZE, Done, refusal, run_stage, stage_once

COMMON = ("--img-size", SIZE, "--device", "cpu", "--workers", 0)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, toy_float: Path, toy_data: Path) -> Done:
    options = ("--calibrator", "auto", "--bias-correction", "--calib-images", CALIBRATION_IMAGES, "--notest")
    given = ("--weights", toy_float, "--data", toy_data, *COMMON)
    return stage_once(tmp_path_factory, "searched", "ptq", *given, *options)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, toy_ptq: Path, toy_data: Path) -> Done:
    given = ("--weights", toy_ptq, "--data", toy_data, *COMMON, "--min-int8", 0.8)
    return stage_once(tmp_path_factory, "sensitivity", "sensitivity", *given)


def test_auto_tells_what_it_tried_and_keeps_the_best(searched: Done) -> None:
    (event,) = searched.events("calibration")
    tried = event["tried"]
    assert isinstance(tried, dict)
    assert len(tried) == 6
    best = min(tried, key=lambda name: tried[name])
    assert best.startswith(str(event["calibrator"]))
    assert "  kept" in searched.log
    assert "Bias correction: the head's error" in searched.log


def test_the_ranking_is_in_log_event_and_result(measured: Done) -> None:
    (event,) = measured.events("sensitivity")
    rows = event["rows"]
    assert isinstance(rows, list)
    assert len(rows) == 58
    assert [row["error"] for row in rows] == sorted((row["error"] for row in rows), reverse=True)
    assert rows[0]["name"] in measured.log
    assert measured.result.details["sensitivity"] == rows


def test_the_policy_is_one_that_ptq_takes(measured: Done, toy_float: Path, toy_data: Path, tmp_path: Path) -> None:
    (plan,) = measured.events("plan")
    policy = measured.folder / "policy.txt"
    options = ("--keep-float", f"@{policy}", "--calib-images", CALIBRATION_IMAGES, "--notest")
    done = run_stage("ptq", tmp_path / "run", "--weights", toy_float, "--data", toy_data, *COMMON, *options)
    assert done.code == 0, done.log
    spec = QuantSpec.from_plain(load_checkpoint(done.folder / "weights" / "ptq.pt").quant or {})
    assert set(plan["floating"]) <= set(spec.floating)  # type: ignore[arg-type]
    assert len(spec.floating) == len(plan["floating"])  # type: ignore[arg-type]


def test_float_weights_and_a_missing_policy_are_refused(
    measured: Done, toy_float: Path, toy_data: Path, tmp_path: Path
) -> None:
    given = ("--weights", toy_float, "--data", toy_data, *COMMON)
    assert "these weights are float" in refusal("sensitivity", tmp_path / "a", *given)
    assert "cannot read the --keep-float file" in refusal(
        "ptq", tmp_path / "b", *given, "--keep-float", "@gone.txt", "--notest"
    )
