"""Learned step sizes: the gradient of the paper, steps by factors, and a checkpoint that looks like any other."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from engine.losses.geometry import HeadGeometry
from engine.losses.ota import ComputeLossOTA
from engine.models.checkpoint import Checkpoint
from engine.models.yolo import YoloModel
from engine.quant.backends.pytorch_quantization import QuantizedConv2d
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.fake_quantization import fake_quantize, learned_fake_quantize
from engine.quant.finetuning.finetune import make_trainable
from engine.quant.finetuning.learned_ranges import build_range_optimizer, learn_ranges, learned_ranges
from engine.quant.quantizer import quantized_convolutions
from engine.quant.state import load_quantized, quantize_model, quantized_checkpoint
from engine.train.hyp import load_hyp, scale_gains


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def gradients(x: Tensor, amax: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    x, amax = x.clone().requires_grad_(), amax.clone().requires_grad_()
    learned_fake_quantize(x, amax, bits).backward(torch.arange(1.0, x.numel() + 1).view_as(x))
    assert x.grad is not None
    assert amax.grad is not None
    return x.grad, amax.grad


def test_values_are_those_of_frozen_ranges() -> None:
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for amax in (torch.tensor(1.3), torch.tensor([0.5, 1.0, 2.0, 0.1]).view(4, 1, 1, 1)):
        assert torch.equal(learned_fake_quantize(x, amax.requires_grad_(), 4), fake_quantize(x, amax, 4))


def test_the_gradient_is_the_papers() -> None:
    # Four bits: steps of 0.1, codes −8 to 7; a batch of one image with five features.
    x = torch.tensor([[0.04, 0.26, -0.31, 5.0, -5.0]])
    by_x, by_amax = gradients(x, torch.tensor(0.7), 4)
    assert by_x.tolist() == [[1, 2, 3, 0, 0]]
    by_step = 1 * (0 - 0.4) + 2 * (3 - 2.6) + 3 * (-3 + 3.1) + 4 * 7 + 5 * -8
    assert float(by_amax) == pytest.approx(by_step / math.sqrt(5 * 7) / 7, rel=1e-5)


def test_each_channel_has_its_own_gradient_scaled_by_its_weights() -> None:
    x = torch.tensor([[0.04, 0.26], [9.0, 0.3]])
    _, by_amax = gradients(x, torch.tensor([[0.7], [1.4]]), 4)
    scale = 7 * math.sqrt(2 * 7)
    expected = [[(1 * -0.4 + 2 * 0.4) / scale], [(3 * 7 + 4 * (2 - 1.5)) / scale]]
    torch.testing.assert_close(by_amax, torch.tensor(expected))


def test_a_range_learns_to_cover_its_tensor() -> None:
    """Descending that gradient brings a range that is far too large close to the best one."""
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    amax = nn.Parameter(torch.tensor(20.0))

    def error(candidate: Tensor) -> float:
        return float((fake_quantize(x, candidate, 4) - x).square().mean())

    for _ in range(450):
        loss = (learned_fake_quantize(x, amax, 4) - x).square().sum()
        amax.grad = None
        loss.backward()
        with torch.no_grad():
            amax -= 0.05 * amax.grad.sign()
    best = min(error(torch.tensor(a)) for a in torch.linspace(0.5, 5, 91).tolist())
    assert error(torch.tensor(20.0)) > 10 * best
    assert error(amax.detach()) < 1.1 * best


def test_ranges_and_weights_are_trained_and_the_checkpoint_looks_like_any_other(
    narrow_tiny: YoloModel, images: Tensor
) -> None:
    source = Checkpoint(
        model_state=narrow_tiny.state_dict(), config=narrow_tiny.config.to_plain(), names=narrow_tiny.names, act="relu"
    )
    spec = quantize_model(narrow_tiny, bits=4, weight_bits=4)
    set_ranges(narrow_tiny, collect(narrow_tiny, [images]), "mse")
    before = copy.deepcopy(narrow_tiny.state_dict())
    make_trainable(narrow_tiny)
    learn_ranges(narrow_tiny)
    assert len(learned_ranges(narrow_tiny)) == 27 + 58, "what several convolutions share is learned once"
    hyp = {**load_hyp("hyp.qat-lowbit.yaml"), "nominal_batch": 2}
    optimizer = build_range_optimizer(narrow_tiny, hyp, 2)
    loss = ComputeLossOTA(HeadGeometry.of(narrow_tiny), scale_gains(hyp, 3, 2, 64, 0.0))
    targets = torch.tensor([[0, 0, 0.5, 0.5, 0.3, 0.4], [1, 1, 0.4, 0.6, 0.5, 0.5]])
    narrow_tiny.train()
    for _ in range(2):
        loss(narrow_tiny(images), targets)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    narrow_tiny.eval()
    after = narrow_tiny.state_dict()
    assert list(after) == list(before)
    changed = [name for name in after if name.endswith("_amax") and not torch.equal(after[name], before[name])]
    assert len(changed) > 100
    rebuilt = load_quantized(quantized_checkpoint(narrow_tiny, spec, source))
    assert learned_ranges(rebuilt) == []
    with torch.no_grad():
        assert torch.equal(rebuilt(images)[0], narrow_tiny(images)[0])


def test_ranges_move_by_factors_and_stay_positive() -> None:
    conv = QuantizedConv2d.of(nn.Conv2d(1, 2, 1), "model.0.conv")
    conv._input_quantizer.set_amax(torch.tensor(1e-4))
    conv._weight_quantizer.set_amax(torch.tensor([1e-7, 1e3]).view(2, 1, 1, 1))
    learn_ranges(conv)
    hyp = {**load_hyp("hyp.qat-lowbit.yaml"), "lr0": 0.1, "nominal_batch": 1}
    optimizer = build_range_optimizer(conv, hyp, 1)
    for steps in range(1, 30):
        conv._input_quantizer._amax.grad = torch.tensor(3.0)
        conv._weight_quantizer._amax.grad = torch.tensor([5.0, -5e-3]).view(2, 1, 1, 1)
        optimizer.step()
        smaller, larger = math.exp(-0.1 * steps), math.exp(0.1 * steps)
        assert conv._input_quantizer.amax.item() == pytest.approx(1e-4 * smaller, rel=1e-3)
        found = conv._weight_quantizer.amax.flatten().tolist()
        assert found == pytest.approx([1e-7 * smaller, 1e3 * larger], rel=1e-3)


def test_half_leaves_a_learned_range_alone(narrow_tiny: YoloModel, images: Tensor) -> None:
    quantize_model(narrow_tiny)
    set_ranges(narrow_tiny, collect(narrow_tiny, [images]), "max")
    learn_ranges(narrow_tiny)
    ranges = [p.detach().clone() for p in learned_ranges(narrow_tiny)]
    narrow_tiny.half().float()
    assert all(torch.equal(a, b) for a, b in zip(ranges, learned_ranges(narrow_tiny), strict=True))
    conv = quantized_convolutions(narrow_tiny)["model.0.conv"]
    conv._input_quantizer.set_amax(torch.tensor(0.5))
    assert conv._input_quantizer.amax.item() == 0.5
    assert isinstance(conv._input_quantizer._amax, nn.Parameter)
