"""Fold BatchNorm, RepConv branches and implicit vectors into plain convolutions."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.blocks import Conv, RepConv
from engine.models.heads import IDetect
from engine.models.yolo import YoloModel


@torch.no_grad()
def fuse_model(model: YoloModel, in_place: bool = False) -> YoloModel:
    """Fuse a copy of `model` (or the model itself): no BatchNorm, and the same output up to rounding.

    The implicit vectors of an IDetect head and the trainable kernels of re-parameterised convolutions stay registered,
    because YOLOv7 counts them in its summary of the fused model.
    """
    fused = model if in_place else copy.deepcopy(model)
    for module in fused.modules():
        if isinstance(module, RepConv):
            _fuse_repconv(module)
        elif isinstance(module, Conv) and module.bn is not None:
            module.conv = _fold_batch_norm(module.conv, module.bn)
            module.bn = None
        elif isinstance(module, IDetect) and not module.fused:
            _fuse_implicit(module)
    return fused


def _fold_batch_norm(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """Fold BatchNorm into a convolution: W' = diag(γ/√(σ²+ε))·W, b' = β − γ·μ/√(σ²+ε)."""
    kernel, bias = _kernel_and_bias(conv.weight, bn)
    fused = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,
        groups=conv.groups,
        bias=True,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    ).requires_grad_(False)
    fused.weight.copy_(kernel)
    fused.bias.copy_(bias)  # type: ignore[union-attr]
    fused.train(conv.training)
    return fused


def _kernel_and_bias(weight: Tensor, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)  # type: ignore[operator]
    return weight * scale.view(-1, 1, 1, 1), bn.bias - bn.running_mean * scale  # type: ignore[operator]


def _fuse_repconv(module: RepConv) -> None:
    if module.rbr_dense is None or module.rbr_1x1 is None:
        return
    dense: nn.Conv2d = module.rbr_dense[0]  # type: ignore[assignment]
    kernel, bias = _kernel_and_bias(dense.weight, module.rbr_dense[1])  # type: ignore[arg-type]
    point_kernel, point_bias = _kernel_and_bias(module.rbr_1x1[0].weight, module.rbr_1x1[1])  # type: ignore[arg-type]
    kernel, bias = kernel + F.pad(point_kernel, [1, 1, 1, 1]), bias + point_bias
    if module.rbr_identity is not None:
        identity = torch.zeros_like(dense.weight)
        for out in range(dense.out_channels):
            identity[out, out % (dense.in_channels // dense.groups), 1, 1] = 1
        identity_kernel, identity_bias = _kernel_and_bias(identity, module.rbr_identity)
        kernel, bias = kernel + identity_kernel, bias + identity_bias
    module.rbr_reparam = nn.Conv2d(
        dense.in_channels,
        dense.out_channels,
        3,
        dense.stride,  # type: ignore[arg-type]
        1,
        groups=dense.groups,
        device=kernel.device,
        dtype=kernel.dtype,
    )
    module.rbr_reparam.weight.copy_(kernel)
    module.rbr_reparam.bias.copy_(bias)  # type: ignore[union-attr]
    module.rbr_reparam.train(module.training)
    module.rbr_dense = module.rbr_1x1 = module.rbr_identity = None


def _fuse_implicit(head: IDetect) -> None:
    """Fold the implicit vectors into the head's convolutions: (W(x + a) + b)·m = (m·W)x + m·(b + W·a)."""
    for conv, add, multiply in zip(head.m, head.ia, head.im, strict=True):
        a, m = add.implicit, multiply.implicit.view(-1)
        conv.bias.copy_((conv.bias + conv.weight.flatten(1) @ a.view(-1)) * m)
        conv.weight.mul_(m.view(-1, 1, 1, 1))
    head.fused = True
