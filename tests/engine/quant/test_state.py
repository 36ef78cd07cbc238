"""Quantized models survive saving, to the last bit."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.contracts.errors import YoloqatError
from engine.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.state import QuantSpec, load_quantized, quantize_model, quantized_checkpoint

IN_A_FRESH_PROCESS = """
import sys, torch
from engine.models.checkpoint import load_checkpoint
from engine.quant.state import load_quantized
model = load_quantized(load_checkpoint(sys.argv[1]))
images, expected = torch.load(sys.argv[2], weights_only=True)
with torch.no_grad():
    assert torch.equal(model(images)[0], expected)
"""


def calibrated(model: YoloModel, images: torch.Tensor) -> Checkpoint:
    source = Checkpoint(
        model_state=model.state_dict(), config=model.config.to_plain(), names=model.names, act=model.act
    )
    spec = quantize_model(model)
    set_ranges(model, collect(model, [images]), "mse")
    return quantized_checkpoint(model, spec, source)


def test_a_fresh_process_computes_the_same_bits(narrow_tiny: YoloModel, tmp_path: Path) -> None:
    images = torch.rand(2, 3, 64, 64)
    save_checkpoint(tmp_path / "ptq.pt", calibrated(narrow_tiny, images))
    with torch.no_grad():
        torch.save((images, narrow_tiny(images)[0]), tmp_path / "expected.pt")
    arguments = [str(tmp_path / "ptq.pt"), str(tmp_path / "expected.pt")]
    done = subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_description_is_plain_data_and_complete(narrow_tiny: YoloModel, tmp_path: Path) -> None:
    saved = calibrated(narrow_tiny, torch.rand(1, 3, 64, 64))
    save_checkpoint(tmp_path / "ptq.pt", saved)
    loaded = load_checkpoint(tmp_path / "ptq.pt")
    assert loaded.quant == saved.quant
    spec = QuantSpec.from_plain(loaded.quant)
    assert len(spec.quantized) == 58
    assert spec.floating == ()
    assert len(spec.classes) == 27


def test_a_float_checkpoint_is_refused_with_what_to_do(narrow_tiny: YoloModel) -> None:
    source = Checkpoint(model_state={}, config=narrow_tiny.config.to_plain(), names=narrow_tiny.names)
    with pytest.raises(YoloqatError, match="float model"):
        load_quantized(source)


def test_missing_ranges_are_noticed(narrow_tiny: YoloModel) -> None:
    saved = calibrated(narrow_tiny, torch.rand(1, 3, 64, 64))
    del saved.model_state["model.5.conv.weight"]
    with pytest.raises(YoloqatError, match="do not fit"):
        load_quantized(saved)
    newer = Checkpoint(**{**saved.__dict__, "quant": {**saved.quant, "schema": 99}})
    with pytest.raises(YoloqatError, match="newer version"):
        load_quantized(newer)
