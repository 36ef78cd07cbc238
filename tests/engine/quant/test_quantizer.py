"""One quantizer: its numbers, its gradient, and what must not touch its range."""

import copy
import logging
import subprocess
import sys

import pytest
import torch
from torch import nn

from engine.contracts.errors import YoloqatError
from engine.quant.backends.pytorch_quantization import QuantizedConv2d, Quantizer
from engine.quant.fake_quantization import export_fake_quantize, fake_quantize, fused_fake_quantize
from tests.engine.quant.ties import same_but_for_ties


def quantizer(amax: float, bits: int = 8) -> Quantizer:
    made = Quantizer("model.5.conv", bits)
    made.set_amax(torch.tensor(amax))
    return made


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("amax", [1e-3, 0.7, 25.0])
def test_values_are_those_of_the_exported_ops(amax: float, bits: int) -> None:
    x = torch.randn(50_000, generator=torch.Generator().manual_seed(1)) * amax
    step = amax / (2 ** (bits - 1) - 1)
    difference = (quantizer(amax, bits)(x) - export_fake_quantize(x, torch.tensor(amax), bits)).abs()
    # The two round a value that lies between two codes differently at most by one step, and hardly ever.
    assert difference.max() <= step * 1.001
    assert (difference > step / 2).float().mean() < 1e-3


def test_codes_are_what_the_formula_says() -> None:
    x = torch.tensor([-3.0, -1.0, -0.5, 0.004, 0.0, 0.5, 1.0, 3.0])
    codes = (quantizer(1.0)(x) * 127).round()
    assert codes.tolist() == [-128, -127, -64, 1, 0, 64, 127, 127]


def test_per_channel_ranges_apply_along_the_first_axis() -> None:
    weight = torch.tensor([1.0, 100.0]).view(2, 1, 1, 1) * torch.ones(2, 3, 1, 1)
    made = Quantizer("weight", axis=0)
    made.set_amax(weight.abs().amax((1, 2, 3), keepdim=True))
    assert torch.equal(made(weight), weight)


def test_gradient_passes_inside_the_range_only() -> None:
    x = torch.tensor([-2.0, -1.0, 0.3, 1.0, 1.0001], requires_grad=True)
    quantizer(1.0)(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    weight = torch.tensor([[0.5, -2.0], [3.0, 5.0]], requires_grad=True)
    fake_quantize(weight, torch.tensor([[1.0], [4.0]]), 8).sum().backward()
    assert weight.grad.tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bits", [4, 8])
def test_the_op_for_gpus_has_the_same_codes_and_gradients(dtype: torch.dtype, bits: int) -> None:
    generator = torch.Generator().manual_seed(bits)
    x = (torch.randn(32, 16, 40, 40, generator=generator) * 3).to(dtype)
    for amax in (torch.tensor(2.7), torch.rand(32, 1, 1, 1, generator=generator) * 3 + 1e-3):
        plain, fused = x.clone().requires_grad_(), x.clone().requires_grad_()
        ours, theirs = fake_quantize(plain, amax, bits), fused_fake_quantize(fused, amax, bits)
        (ours.sum() + theirs.sum()).backward()
        same_but_for_ties(x, amax, bits, ours.detach(), theirs.detach())
        assert plain.grad is not None
        assert fused.grad is not None
        assert torch.equal(plain.grad, fused.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_quantized_in_fp32(dtype: torch.dtype) -> None:
    x = torch.linspace(-1e-3, 1e-3, 1001).to(dtype)
    result = quantizer(1e-3)(x)
    assert result.dtype == dtype
    assert torch.equal(result, quantizer(1e-3)(x.float()).to(dtype))
    assert result.abs().max() > 9e-4


def test_half_and_autocast_leave_the_range_alone() -> None:
    conv = QuantizedConv2d.of(nn.Conv2d(3, 4, 3), "model.0.conv")
    conv._input_quantizer.set_amax(torch.tensor(0.123456789))
    conv._weight_quantizer.set_amax(torch.rand(4, 1, 1, 1))
    before = copy.deepcopy(conv.state_dict())
    conv.half().float()
    for key in ("_input_quantizer._amax", "_weight_quantizer._amax"):
        assert torch.equal(conv.state_dict()[key], before[key])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        conv(torch.rand(1, 3, 8, 8))
    assert conv._input_quantizer.amax.dtype == torch.float32


def test_state_loads_into_a_fresh_convolution_without_cuda() -> None:
    source = QuantizedConv2d.of(nn.Conv2d(3, 4, 3), "model.0.conv")
    source._input_quantizer.set_amax(torch.tensor(0.5))
    source._weight_quantizer.set_amax(torch.rand(4, 1, 1, 1) + 0.1)
    fresh = QuantizedConv2d.of(nn.Conv2d(3, 4, 3), "model.0.conv")
    fresh.load_state_dict(source.state_dict())
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(fresh(x), source(x))


def test_a_state_without_ranges_is_refused_by_name() -> None:
    source = QuantizedConv2d.of(nn.Conv2d(3, 4, 3), "model.0.conv")
    with pytest.raises(YoloqatError, match=r"model\.0\.conv has no range"):
        source(torch.rand(1, 3, 8, 8))


def test_the_library_leaves_logging_and_the_terminal_alone_and_loads_no_scipy_stats() -> None:
    code = (
        "import logging, sys; from engine.quant.backends.pytorch_quantization import QuantizedConv2d; import torch;"
        "c = QuantizedConv2d.of(torch.nn.Conv2d(3, 4, 1), 'x'); c._input_quantizer.start_collecting();"
        "c._input_quantizer(torch.rand(3)); assert logging.getLogger().handlers == [];"
        "assert 'scipy.stats' not in sys.modules;"
        "from pytorch_quantization.calib import histogram; assert abs(histogram.entropy([1, 1]) - 0.6931) < 1e-4"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "uantiz" not in done.stderr
    assert not any(type(handler).__name__ == "ABSLHandler" for handler in logging.getLogger().handlers)
