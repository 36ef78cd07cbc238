"""The four numbers of `Model Summary: L layers, P parameters, G gradients, F GFLOPS`."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.models.yolo import YoloModel


@dataclass(frozen=True)
class Summary:
    """Size of a model, counted as YOLOv7 counts it."""

    layers: int
    """All modules, including the root and containers."""
    parameters: int
    gradients: int
    """Elements that require a gradient."""
    gflops: float
    """10⁹ operations (two per multiply-add) for one image of 640×640."""

    def __str__(self) -> str:
        return (
            f"Model Summary: {self.layers} layers, {self.parameters} parameters, {self.gradients} gradients, "
            f"{self.gflops:.1f} GFLOPS"
        )


def summarize(model: YoloModel) -> Summary:
    """Count layers, parameters and operations, without changing the model."""
    parameters = list(model.parameters())
    return Summary(
        layers=sum(1 for _ in model.modules()),
        parameters=sum(p.numel() for p in parameters),
        gradients=sum(p.numel() for p in parameters if p.requires_grad),
        gflops=count_gflops(model),
    )


def count_gflops(model: YoloModel) -> float:
    """Count the operations of one 640×640 image in 10⁹, by the convention of the published numbers.

    Per module: convolution out·(c_in/g)·k² (bias not counted), upsampling 1 per output, BatchNorm 4 per input,
    activations and pooling 0; two operations each. Measured on one stride-sized image and scaled by area.
    """
    size = max(32, int(model.stride.max()))
    probe = copy.deepcopy(model).float().cpu().eval()
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += (
                output.numel() * module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
            )
        elif isinstance(module, nn.Upsample):
            total += output.numel()
        elif isinstance(module, nn.BatchNorm2d):
            total += 4 * inputs[0].numel()

    handles = [m.register_forward_hook(count) for m in probe.modules() if not list(m.children())]
    with torch.no_grad():
        probe(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return 2 * total * (640 / size) ** 2 / 1e9
