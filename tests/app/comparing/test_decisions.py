"""What a stage decided is what is compared: `auto` that chose mse is no other calibrator than mse."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.comparing.comparison import Row, compare
from app.widgets.compare.compare_table import table_rows
from db.views import EventView, RunDetail
from tests.app.comparing.chain_fixtures import SETTINGS, evaluation, run


def ptq(
    run_id: str, options: Mapping[str, Any], details: Mapping[str, Any] | None = None, image_size: int = 128
) -> RunDetail:
    evaluations = [evaluation("PTQ", 0.4, settings={**SETTINGS, "image_size": image_size})]
    return replace(run(run_id, "ptq", options=options, evaluations=evaluations), details=dict(details or {}))


def option(key: str, *details: RunDetail) -> Row:
    return next(row for row in compare(details).options if row.key == key)


def texts(row: Row) -> list[str]:
    return [cell.text for cell in row.cells]


CHOSE_MSE = {"calibration": {"calibrator": "mse", "percentile": 99.99, "tried": {"max": 0.2, "mse": 0.1}}}


def test_auto_that_chose_mse_is_no_difference_to_mse() -> None:
    runs = [ptq("1", {"calibrator": "auto"}, CHOSE_MSE), ptq("2", {"calibrator": "mse"}, CHOSE_MSE)]
    row = option("calibrator", *runs)
    assert texts(row) == ["mse (auto)", "mse"]
    assert not row.differs
    assert "options:calibrator" not in table_rows(compare(runs), differing=True)


def test_auto_that_chose_otherwise_is_a_difference() -> None:
    chose = {"calibration": {"calibrator": "percentile", "percentile": 99.9}}
    auto = ptq("1", {"calibrator": "auto", "percentile": 99.99}, chose)
    mse = ptq("2", {"calibrator": "mse", "percentile": 99.99}, CHOSE_MSE)
    assert texts(option("calibrator", auto, mse)) == ["percentile (auto)", "mse"]
    assert option("calibrator", auto, mse).differs
    assert texts(option("percentile", auto, mse)) == ["99.9 (auto)", "99.99"]


def test_a_run_without_a_result_is_told_by_its_log() -> None:
    failed = replace(ptq("1", {"calibrator": "auto"}), events=(EventView("calibration", CHOSE_MSE["calibration"]),))
    assert texts(option("calibrator", failed, ptq("2", {"calibrator": "auto"}))) == ["mse (auto)", "auto"]


@pytest.mark.parametrize(("layers", "differs"), [(["b", "a"], False), (["a"], True)])
def test_layers_left_float_are_compared_by_their_names(layers: list[str], differs: bool) -> None:
    default = ptq("1", {"keep_float": ["default"]}, {"float_convolutions": ["a", "b"]})
    other = ptq("2", {"keep_float": ["@plan.txt"]}, {"float_convolutions": layers})
    row = option("keep_float", default, other)
    assert row.differs is differs
    assert row.cells[0].text == "a b (default)"


def test_a_bias_correction_that_was_taken_back_is_none() -> None:
    taken_back = {"calibration": {"calibrator": "mse", "bias_correction": {"kept": False}}}
    runs = [ptq("1", {"bias_correction": True}, taken_back), ptq("2", {"bias_correction": False}, CHOSE_MSE)]
    assert texts(option("bias_correction", *runs)) == ["no (taken back)", "no"]
    assert not option("bias_correction", *runs).differs


def test_an_image_size_is_compared_as_it_was_rounded() -> None:
    row = option("img_size", ptq("1", {"img_size": 120}), ptq("2", {"img_size": 128}))
    assert texts(row) == ["128 (120)", "128"]
    assert not row.differs


@pytest.mark.parametrize(("line", "device"), [("CPU", "cpu"), ("CUDA:1 (Tesla T4, 15109MB)", "1")])
def test_the_device_that_a_stage_took_is_compared(line: str, device: str) -> None:
    banner = EventView("device", {"text": f"yoloqat torch 2.8.0 {line}"})
    left_out = replace(ptq("1", {"device": ""}), events=(banner,))
    row = option("device", left_out, ptq("2", {"device": device}))
    assert texts(row) == [f"{device} (auto)", device]
    assert not row.differs
