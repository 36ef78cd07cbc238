"""Fake quantization is fp32 under autocast; a CPU has it in bfloat16, which is coarser than the fp16 of a GPU."""

import copy

import pytest
import torch
from torch import Tensor

from engine.losses.geometry import HeadGeometry
from engine.losses.ota import ComputeLossOTA
from engine.models.yolo import YoloModel
from engine.quant.backends.interface import Quantizer
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.fake_quantization import fake_quantize, learned_fake_quantize
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.finetuning.finetune import make_trainable, with_distillation
from engine.quant.finetuning.learned_ranges import build_range_optimizer, learn_ranges
from engine.quant.state import quantize_model
from engine.train.hyp import load_hyp, scale_gains
from engine.train.optimizer import build_optimizer

HYP = {**load_hyp("hyp.qat.yaml"), "nominal_batch": 2}
TARGETS = torch.tensor([[0, 0, 0.5, 0.5, 0.3, 0.4], [1, 1, 0.4, 0.6, 0.5, 0.5]])


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(narrow_tiny: YoloModel, images: Tensor) -> YoloModel:
    quantize_model(narrow_tiny)
    set_ranges(narrow_tiny, collect(narrow_tiny, [images]), "mse")
    make_trainable(narrow_tiny)
    return narrow_tiny.train()


def test_every_quantizer_gives_the_codes_of_fp32(model: YoloModel, images: Tensor) -> None:
    seen: list[torch.dtype] = []

    def check(quantizer: Quantizer, inputs: tuple[Tensor], output: Tensor) -> None:
        (x,) = inputs
        seen.append(x.dtype)
        amax = quantizer.amax.detach()
        assert amax.dtype == torch.float32
        expected = fake_quantize(x.detach().float(), amax, quantizer.num_bits)
        assert output.dtype == x.dtype
        assert torch.equal(output.detach(), expected.to(x.dtype)), quantizer.name

    for module in model.modules():
        if isinstance(module, Quantizer):
            module.register_forward_hook(check)
    with torch.autocast("cpu", torch.bfloat16):
        raws = model(images)
    assert raws[0].dtype == torch.bfloat16
    assert seen.count(torch.bfloat16) > 50, "inputs of convolutions come as bfloat16"
    assert seen.count(torch.float32) >= 58, "weights stay fp32"


@pytest.mark.parametrize("learned", [False, True])
def test_a_step_leaves_frozen_ranges_alone_and_everything_finite(
    model: YoloModel, images: Tensor, learned: bool
) -> None:
    teacher = copy.deepcopy(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    if learned:
        learn_ranges(model)
    optimizer = (
        build_range_optimizer(model, HYP, 2) if learned else build_optimizer(model, HYP, batch_size=2, adam=True)
    )
    task = ComputeLossOTA(HeadGeometry.of(model), scale_gains(HYP, 3, 2, 64, 0.0))
    loss = with_distillation(lambda raws, targets, _: task(raws, targets), FeatureDistillation(model, teacher), 1.0)  # type: ignore[arg-type]
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = loss(model(images), TARGETS, images)
    total.backward()
    optimizer.step()
    after = model.state_dict()
    assert torch.isfinite(total)
    assert all(torch.isfinite(value).all() and value.dtype == before[name].dtype for name, value in after.items())
    assert all(learned or torch.equal(after[name], before[name]) for name in after if name.endswith("_amax"))
    changed = [name for name in after if name.endswith("weight") and not torch.equal(after[name], before[name])]
    assert len(changed) >= 58


def test_small_ranges_survive_and_their_gradients_too() -> None:
    """127 / 0.001 overflows fp16, and bfloat16 has 8 bits for 256 codes."""
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.linspace(-2e-3, 2e-3, 401).to(dtype).requires_grad_()
        amax = torch.tensor(1e-3, requires_grad=True)
        learned_fake_quantize(x[None], amax, 8).sum().backward()
        frozen = fake_quantize(x.detach(), amax.detach(), 8)
        assert frozen.float().unique().numel() > 100
        assert amax.grad is not None
        assert x.grad is not None
        assert amax.grad.dtype == torch.float32
        assert torch.isfinite(amax.grad)
        assert float(x.grad.float().sum()) == pytest.approx(201, abs=2)
