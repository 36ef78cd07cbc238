"""Widths of single convolutions: who gets which, and that they survive saving."""

from pathlib import Path

import pytest
import torch

from engine.contracts.errors import YoloqatError
from engine.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.calibration.calibrate import amax_table, collect, set_ranges
from engine.quant.quantizer import quantized_convolutions
from engine.quant.state import QuantSpec, load_quantized, quantize_model, quantized_checkpoint
from engine.quant.widths import Width, resolve_widths

CONVS = ("model.0.conv", "model.1.conv", "model.10.conv", "model.77.m.0")


def bits(model: YoloModel) -> dict[str, Width]:
    return {
        name: Width(conv._input_quantizer.num_bits, conv._weight_quantizer.num_bits)
        for name, conv in quantized_convolutions(model).items()
    }


def test_entries_name_weights_inputs_or_both_and_the_last_one_counts() -> None:
    widths = resolve_widths(["model\\..*=w6", "model.1=4", "model.77.m=w5a7", "model.0=a6"], CONVS, Width(8, 8))
    assert [str(widths[name]) for name in CONVS] == ["W6A6", "W4A4", "W6A8", "W5A7"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("model.1=9", "2 to 8 bits"),
        ("model.1=1", "2 to 8 bits"),
        ("model.1=w0a4", "2 to 8 bits"),
        ("model.1=four", "has no valid width"),
        ("model.1=", "has no valid width"),
        ("model.3=4", "matches no quantized convolution"),
        ("model.(=4", "not a regular expression"),
    ],
)
def test_a_wrong_entry_is_told(entry: str, message: str) -> None:
    with pytest.raises(YoloqatError, match=message) as caught:
        resolve_widths([entry], CONVS, Width())
    assert entry.rpartition("=")[0] in str(caught.value)


def test_convolutions_with_a_common_scale_have_a_common_input_width(narrow_tiny: YoloModel) -> None:
    spec = quantize_model(narrow_tiny, layer_bits=["model.2=4", "model.77.m.0=w5"])
    group = next(group for group in spec.classes if "model.2.conv" in group.convs)
    assert len(group.convs) > 1, "model.2 and model.3 read the same tensor"
    found = bits(narrow_tiny)
    assert found["model.2.conv"] == Width(8, 4)
    assert found["model.77.m.0"] == Width(8, 5)
    assert {width for name, width in found.items() if name not in ("model.2.conv", "model.77.m.0")} == {Width(8, 8)}


def test_a_policy_file_sets_widths_and_leaves_layers_float(narrow_tiny: YoloModel, tmp_path: Path) -> None:
    policy = tmp_path / "policy.txt"
    policy.write_text("# float\nmodel.77.m\n# narrow\nmodel\\.1\\..* = w4a6\n")
    spec = quantize_model(narrow_tiny, [f"@{policy}"])
    assert spec.floating == tuple(f"model.77.m.{i}" for i in range(3))
    assert bits(narrow_tiny)["model.1.conv"] == Width(6, 4)
    assert spec.patterns == ("model.77.m", "model\\.1\\..* = w4a6")
    assert QuantSpec.from_plain(spec.to_plain()) == spec


def test_widths_are_saved_and_rebuilt(narrow_tiny: YoloModel, tmp_path: Path) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    source = Checkpoint(
        model_state=narrow_tiny.state_dict(), config=narrow_tiny.config.to_plain(), names=narrow_tiny.names, act="relu"
    )
    spec = quantize_model(narrow_tiny, bits=6, layer_bits=["model.1=w4a5", "model.77.m.0=w5"])
    set_ranges(narrow_tiny, collect(narrow_tiny, [images]), "mse")
    save_checkpoint(tmp_path / "ptq.pt", quantized_checkpoint(narrow_tiny, spec, source))
    loaded = load_checkpoint(tmp_path / "ptq.pt")
    rebuilt = load_quantized(loaded)
    assert bits(rebuilt) == bits(narrow_tiny)
    assert bits(rebuilt)["model.1.conv"] == Width(5, 4)
    with torch.no_grad():
        assert torch.equal(rebuilt(images)[0], narrow_tiny(images)[0])
    rows = {(row["name"], row["kind"]): row["bits"] for row in amax_table(rebuilt)}
    assert (rows["model.1.conv", "input"], rows["model.1.conv", "weight"]) == (5, 4)
    codes = rebuilt.get_submodule("model.1.conv")
    step = codes._weight_quantizer.amax / 7  # type: ignore[union-attr,operator]
    assert (codes._weight_quantizer(codes.weight) / step).round().abs().max() == 7  # type: ignore[operator]


def test_a_reader_that_knows_no_widths_refuses_them(narrow_tiny: YoloModel) -> None:
    plain = quantize_model(narrow_tiny, layer_bits=["model.1=4"]).to_plain()
    assert plain["schema"] == 2
    assert QuantSpec.from_plain({**plain, "widths": {}}).to_plain()["schema"] == 1
