"""Fake quantization: round a tensor to the values that INT8 can hold, in fp32, with a straight-through gradient."""

import math
from typing import Any

import torch
from torch import Tensor


def fake_quantize(x: Tensor, amax: Tensor, bits: int) -> Tensor:
    """Round `x` to multiples of amax / (2^(bits-1) - 1), within [-2^(bits-1), 2^(bits-1) - 1] of them.

    The maths is fp32 whatever the dtype of `x` (in fp16 the reciprocal of a scale overflows below amax 0.002), and the
    result has the dtype of `x`. The gradient is 1 inside [-amax, amax] and 0 outside. CUDA tensors use torch's fused op
    with tensor scales, which does not synchronize; on the CPU a few in-place passes are faster than that op.

    Args:
        x: floating tensor.
        amax: fp32, positive; 0-d for one range, (C, 1, …) for one per entry of the first axis of `x`.
        bits: 2 to 8.
    """
    if x.is_cuda:
        return fused_fake_quantize(x, amax, bits)
    return _FakeQuantize.apply(x, amax, bits)


def fused_fake_quantize(x: Tensor, amax: Tensor, bits: int) -> Tensor:
    """`fake_quantize` by torch's own op, on any device: one pass on a GPU.

    It multiplies by the reciprocal of the scale: a value midway between two codes may round to the other one.
    """
    return _FusedFakeQuantize.apply(x, amax, bits)


def export_fake_quantize(x: Tensor, amax: Tensor, bits: int) -> Tensor:
    """`fake_quantize` by the ops that torch's ONNX exporter turns into QuantizeLinear and DequantizeLinear."""
    top = 2 ** (bits - 1) - 1
    if amax.dim() == 0:
        return torch.fake_quantize_per_tensor_affine(x, amax.item() / top, 0, -top - 1, top)
    scale = (amax / top).flatten()
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(x, scale, zero, 0, -top - 1, top)


def learned_fake_quantize(x: Tensor, amax: Tensor, bits: int) -> Tensor:
    """`fake_quantize` with a gradient for `amax` as well (LSQ, Esser et al. 2020, arXiv:1902.08153).

    With v = x / step, the gradient for the step is round(v) − v inside the range and the nearest bound outside,
    times 1 / √(n · top), where n is the number of weights that share the step, or the features of an image.

    Args:
        x: floating tensor: a weight where `amax` has dimensions, else a batch (B, …).
        amax: fp32 parameter, 0-d or (C, 1, …).
        bits: 2 to 8.
    """
    return _LearnedFakeQuantize.apply(x, amax, bits)


class _FusedFakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, amax: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(x, amax)
        top = 2 ** (bits - 1) - 1
        scale = (amax / top).flatten()
        zero = torch.zeros_like(scale, dtype=torch.int32)
        if amax.dim() == 0:
            rounded = torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, -top - 1, top)
        else:
            rounded = torch.fake_quantize_per_channel_affine(x.float(), scale, zero, 0, -top - 1, top)
        return rounded.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        # The op's own gradient extends half a step beyond the range.
        x, amax = ctx.saved_tensors
        return torch.where(x.abs() <= amax, gradient, 0.0), None, None


class _FakeQuantize(torch.autograd.Function):
    """Division by the scale, as in ONNX's QuantizeLinear, so that both round every value alike."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, amax: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(x, amax)
        top = 2 ** (bits - 1) - 1
        scale = amax / top
        return (x.float() / scale).round_().clamp_(-top - 1, top).mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, amax = ctx.saved_tensors
        if amax.dim() == 0 and x.dtype == torch.float32:
            # One pass instead of three. Its bounds are exclusive, so take the next floats outward.
            bound = float(torch.nextafter(amax, amax.new_tensor(math.inf)))
            return torch.ops.aten.hardtanh_backward(gradient, x, -bound, bound), None, None
        return torch.where(x.abs() <= amax, gradient, 0.0), None, None


class _LearnedFakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, amax: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(x, amax)
        ctx.top = top = 2 ** (bits - 1) - 1
        scale = amax / top
        return (x.float() / scale).round_().clamp_(-top - 1, top).mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, amax = ctx.saved_tensors
        top = ctx.top
        v = x.float() / (amax / top)
        inside = (v >= -top - 1) & (v <= top)
        step_gradient = v.round().clamp_(-top - 1, top).sub_(v.mul_(inside)).mul_(gradient)
        features = x[0].numel() if amax.dim() == 0 else x.numel() // amax.numel()
        step_gradient = step_gradient.sum() if amax.dim() == 0 else step_gradient.sum_to_size(amax.shape)
        # The step is amax / top.
        return gradient * inside, step_gradient / (top * math.sqrt(features * top)), None
