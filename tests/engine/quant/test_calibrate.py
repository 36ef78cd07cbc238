"""Ranges from images."""

import pytest
import torch
from torch import nn

from engine.contracts.errors import YoloqatError
from engine.models.yolo import YoloModel
from engine.quant.backends.pytorch_quantization import QuantizedConv2d
from engine.quant.calibration.amax import METHODS
from engine.quant.calibration.calibrate import amax_table, calibration_warnings, collect, set_ranges, weight_amax
from engine.quant.quantizer import input_quantizers, quantized_convolutions, set_quantization
from engine.quant.state import quantize_model


def images(count: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("method", METHODS)
def test_every_quantizer_gets_a_range_and_outputs_stay_close(narrow_tiny: YoloModel, method: str) -> None:
    with torch.no_grad():
        expected = narrow_tiny(images())[1]
        quantize_model(narrow_tiny)
        set_ranges(narrow_tiny, collect(narrow_tiny, [images()]), method)
        got = narrow_tiny(images())[1]
        set_quantization(narrow_tiny, False)
        floating = narrow_tiny(images())[1]
    assert len(amax_table(narrow_tiny)) == 27 + 58
    assert all(row["amax"] > 0 for row in amax_table(narrow_tiny))
    assert all(torch.equal(a, b) for a, b in zip(expected, floating, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
    error = sum((a - b).square().sum() for a, b in zip(expected, got, strict=True))
    assert error < 0.05 * sum(a.square().sum() for a in expected)


def test_calibration_sees_the_float_network_and_leaves_no_trace(narrow_tiny: YoloModel) -> None:
    quantize_model(narrow_tiny)
    first = collect(narrow_tiny, [images()])
    set_ranges(narrow_tiny, first, "max")
    again = collect(narrow_tiny, [images()])
    assert all(torch.equal(first[name].counts, again[name].counts) for name in first)
    assert all(q._calibrator is None and q._if_quant for q in input_quantizers(narrow_tiny).values())


def test_max_is_the_largest_input_of_all_members_of_a_class(narrow_tiny: YoloModel) -> None:
    spec = quantize_model(narrow_tiny)
    convs = quantized_convolutions(narrow_tiny)
    largest = dict.fromkeys(spec.quantized, 0.0)

    def watch(name: str) -> None:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            largest[name] = max(largest[name], float(inputs[0].abs().max()))

        convs[name].register_forward_pre_hook(hook)

    for name in spec.quantized:
        watch(name)
    set_ranges(narrow_tiny, collect(narrow_tiny, [images(), images(seed=1)]), "max")
    for group in spec.classes:
        expected = max(largest[name] for name in group.convs)
        assert all(float(convs[name]._input_quantizer.amax) == expected for name in group.convs)


def test_dead_channels_keep_a_bias_that_fits_into_int32() -> None:
    conv = nn.Conv2d(4, 3, 1)
    with torch.no_grad():
        conv.weight[0] = 0.0
        conv.weight[1] = 1e-12
        conv.bias.copy_(torch.tensor([0.3, -0.3, 0.3]))
    quantized = QuantizedConv2d.of(conv, "model.4.conv")
    quantized._input_quantizer.set_amax(torch.tensor(2.0))
    amax = weight_amax(quantized).flatten()
    units = conv.bias.abs() / ((amax / 127) * (2.0 / 127))
    assert (units < 2**31).all()
    assert amax[2] == conv.weight[2].abs().max()


def test_a_value_that_is_not_finite_names_the_layer(narrow_tiny: YoloModel) -> None:
    quantize_model(narrow_tiny)
    with torch.no_grad():
        quantized_convolutions(narrow_tiny)["model.5.conv"].weight[0] = float("nan")
    with pytest.raises(YoloqatError, match=r"model\.\d+\.conv contains nan"):
        collect(narrow_tiny, [images()])
    assert all(q._calibrator is None and q._if_quant for q in input_quantizers(narrow_tiny).values())


def test_without_images_the_first_layer_is_named(narrow_tiny: YoloModel) -> None:
    quantize_model(narrow_tiny)
    with pytest.raises(YoloqatError, match=r"model\.0\.conv received no tensor"):
        set_ranges(narrow_tiny, collect(narrow_tiny, []), "mse")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_batches_of_zeros_before_and_after_images_change_no_range_but_the_share_of_zeros(
    narrow_tiny: YoloModel, method: str
) -> None:
    quantize_model(narrow_tiny)
    black = torch.zeros(1, 3, 64, 64)
    histograms = collect(narrow_tiny, [black, images(), black])
    set_ranges(narrow_tiny, histograms, method)
    assert calibration_warnings(histograms) == []
    assert all(torch.isfinite(q.amax) and q.amax > 0 for q in input_quantizers(narrow_tiny).values())
    assert input_quantizers(narrow_tiny)["model.0.conv"].amax > 0.9


def test_inputs_that_are_zero_throughout_are_named_and_computable(narrow_tiny: YoloModel) -> None:
    quantize_model(narrow_tiny)
    dead = quantized_convolutions(narrow_tiny)["model.0.conv"]
    with torch.no_grad():
        dead.weight.zero_()
        dead.bias.zero_()  # type: ignore[union-attr]
    histograms = collect(narrow_tiny, [images()])
    first, *others = calibration_warnings(histograms)
    assert first == "the input of model.1.conv was zero in all calibration images; its range is set to 1"
    assert not any(" model.0.conv " in other for other in others)
    set_ranges(narrow_tiny, histograms, "mse")
    assert float(input_quantizers(narrow_tiny)["model.1.conv"].amax) == 1.0
    with torch.no_grad():
        assert torch.isfinite(narrow_tiny(images())[0]).all()


@pytest.mark.parametrize("method", METHODS)
def test_one_pixel_of_a_million_is_named_and_spoils_max_alone(narrow_tiny: YoloModel, method: str) -> None:
    quantize_model(narrow_tiny)
    spoiled = images()
    spoiled[0, 0, 10, 10] = 1e6
    histograms = collect(narrow_tiny, [images(), spoiled])
    first = calibration_warnings(histograms)[0]
    assert first.startswith(
        "1 of 98304 values of the input of model.0.conv are more than 1000 times the others, up to 1e+06"
    )
    set_ranges(narrow_tiny, histograms, method)
    found = float(input_quantizers(narrow_tiny)["model.0.conv"].amax)
    assert found == 1e6 if method == "max" else 0.5 < found < 1.01


def test_a_layer_that_never_ran_is_named_alone(narrow_tiny: YoloModel) -> None:
    quantize_model(narrow_tiny)
    histograms = collect(narrow_tiny, [images()])
    name = list(histograms)[3]
    histograms[name].reset()
    with pytest.raises(YoloqatError, match=f"{name} received no tensor") as caught:
        set_ranges(narrow_tiny, histograms, "entropy")
    assert "--keep-float" in str(caught.value.hint)
