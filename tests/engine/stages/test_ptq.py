"""`ptq`, run as its own process on real files."""

from pathlib import Path

import pytest
import torch

from engine.data.config import load_data_config
from engine.data.loader import val_loader
from engine.models.checkpoint import load_checkpoint
from engine.quant.quantizer import quantized_convolutions, set_quantization
from engine.quant.state import load_quantized
from tests.engine.stages.toy import CALIBRATION_IMAGES, SIZE, VAL_IMAGES, Done, refusal, run_stage


def test_float_and_ptq_are_evaluated_under_the_same_settings(calibrated: Done, trained: Done) -> None:
    before, after = calibrated.result.evaluations
    assert (before.label, after.label) == ("float", "PTQ")
    assert before.settings == after.settings
    assert before.settings.letterbox == "square"
    assert before.metrics == pytest.approx(trained.result.evaluations[-1].metrics, abs=1e-6)
    assert after.metrics["mAP@.5"] == pytest.approx(before.metrics["mAP@.5"], rel=0.25)
    assert "AP" in after.metrics
    assert calibrated.log.count("Average Precision") == 12
    assert [event["label"] for event in calibrated.events("evaluating")] == ["float", "PTQ"]


def test_the_calibration_is_told(calibrated: Done) -> None:
    (event,) = calibrated.events("calibration")
    assert (event["calibrator"], event["images"]) == ("mse", CALIBRATION_IMAGES)
    assert (event["quantized"], event["rows"]) == (58, 27)
    assert len(event["quantizers"]) == 27  # type: ignore[arg-type]
    assert "Collect stats for calibrating" in calibrated.log
    assert "58 convolutions: 47 input tensors share 27 scales" in calibrated.log
    assert len(calibrated.result.details["ranges"]) == 27 + 58  # type: ignore[arg-type]


def test_eight_bits_change_a_trained_model_little(toy_ptq: Path, toy_data: Path) -> None:
    model = load_quantized(load_checkpoint(toy_ptq))
    loader = val_loader(load_data_config(toy_data), "val", SIZE, VAL_IMAGES, letterbox="square", workers=0)
    images = next(iter(loader))[0].float() / 255
    with torch.no_grad():
        quantized = model(images)[1]
        set_quantization(model, False)
        floating = model(images)[1]
    for ours, theirs in zip(quantized, floating, strict=True):
        assert 0 < (ours - theirs).norm() < 0.05 * theirs.norm()


def test_lineage_is_by_content(calibrated: Done, toy_float: Path) -> None:
    inputs = {artifact.role: artifact for artifact in calibrated.result.inputs}
    assert inputs["weights"].path == str(toy_float)
    checkpoint = load_checkpoint(calibrated.folder / "weights" / "ptq.pt")
    assert checkpoint.meta["float_sha256"] == inputs["weights"].sha256
    (output,) = calibrated.result.artifacts
    assert output.path == "weights/ptq.pt"


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "calibrator", ["max", pytest.param("percentile", marks=_SLOW), pytest.param("entropy", marks=_SLOW)]
)
def test_other_calibrators(calibrator: str, calibrated: Done, calibration: list[object], tmp_path: Path) -> None:
    done = run_stage("ptq", tmp_path / "run", *calibration, "--calibrator", calibrator, "--notest")
    assert done.code == 0, done.log
    assert done.result.evaluations == []
    checkpoint = load_checkpoint(tmp_path / "run/weights/ptq.pt")
    assert checkpoint.quant["calibration"]["calibrator"] == calibrator  # type: ignore[index]
    load_quantized(checkpoint)
    ranges, by_mse = input_ranges(done), input_ranges(calibrated)
    assert ranges.keys() == by_mse.keys()
    assert all(value > 0 for value in ranges.values())
    assert ranges != by_mse
    if calibrator == "max":
        assert all(value >= by_mse[name] * 0.999 for name, value in ranges.items())


@pytest.mark.slow
def test_auto_tries_all_calibrators_and_keeps_the_best(calibration: list[object], tmp_path: Path) -> None:
    """At the widths that were asked for: the range that is best depends on them."""
    widths = ("--bits", 6, "--layer-bits", r"model\.2\..*=w4", "model.77=w5a8")
    done = run_stage("ptq", tmp_path / "run", *calibration, "--calibrator", "auto", "--notest", *widths)
    assert done.code == 0, done.log
    lines = done.log.splitlines()
    start = lines.index("Calibrators by the head's error on 16 images:") + 1
    table = [line.removesuffix("  kept").rsplit(maxsplit=1) for line in lines[start : start + 6]]
    assert {name.strip() for name, _ in table} == {
        "max", "mse", "entropy", "percentile 99.9", "percentile 99.99", "percentile 99.999"
    }  # fmt: skip
    errors = [float(error) for _, error in table]
    assert errors == sorted(errors)
    assert [line.endswith("kept") for line in lines[start : start + 6]] == [True] + [False] * 5
    (event,) = done.events("calibration")
    assert event["tried"] == pytest.approx({name.strip(): float(error) for name, error in table}, rel=1e-3)
    assert str(table[0][0]).split()[0] == event["calibrator"]
    assert "  W4A6 instead of W8A6: model.2.conv" in lines
    assert "  W5A8 instead of W8A6: model.77.m.0, model.77.m.1, model.77.m.2" in lines
    saved = load_checkpoint(tmp_path / "run/weights/ptq.pt")
    model = load_quantized(saved)
    bits = {name: conv._weight_quantizer.num_bits for name, conv in quantized_convolutions(model).items()}
    assert (bits["model.2.conv"], bits["model.77.m.1"], bits["model.3.conv"]) == (4, 5, 8)


def test_quantizing_twice_is_refused(toy_ptq: Path, toy_data: Path, tmp_path: Path) -> None:
    message = refusal("ptq", tmp_path / "run", "--weights", toy_ptq, "--data", toy_data)
    assert message == (
        f"{toy_ptq}: these weights are quantized already\n"
        "  Give `ptq` the float checkpoint; `qat` and `export` take this one."
    )


def test_a_pattern_that_matches_nothing_is_refused(calibration: list[object], tmp_path: Path) -> None:
    message = refusal("ptq", tmp_path / "run", *calibration, "--notest", "--keep-float", "default", "model.500")
    assert "'model.500' matches no convolution" in message
    assert not (tmp_path / "run" / "weights").exists()


def input_ranges(done: Done) -> dict[str, float]:
    rows = done.result.details["ranges"]
    assert isinstance(rows, list)
    return {row["name"]: row["amax"] for row in rows if row["kind"] == "input"}
