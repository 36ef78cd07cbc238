"""The float model as a teacher of its quantized self."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.yolo import YoloModel
from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.quantizer import set_quantization

SMALLEST_ENERGY = 1e-6
"""Mean square below which a layer's output is taken as silent; keeps the division finite."""


class FeatureDistillation:
    """Mean over layers of the squared difference to the float model's output, in units of that output's energy.

    Dividing by the energy makes layers comparable; a plain sum is ruled by the few with large values and explodes.

    Args:
        student: quantized model; its layers are watched while it trains, until `close`.
        teacher: the same model before fine-tuning; it is frozen, and its quantizers are switched off.
        layers: top-level layers to compare; None takes all that hold a quantized convolution.
        normalised: False gives the plain sum, for comparison.
    """

    def __init__(
        self, student: YoloModel, teacher: YoloModel, layers: Sequence[int] | None = None, *, normalised: bool = True
    ) -> None:
        # In training mode a fused model computes the same and skips the decoding of boxes.
        self.teacher = teacher.train().requires_grad_(False)
        set_quantization(self.teacher, False)
        self.normalised = normalised
        self.layers = list(layers) if layers is not None else _quantized_layers(student)
        self._student: dict[int, Tensor] = {}
        self._teacher: dict[int, Tensor] = {}
        self._handles = [
            model.model[index].register_forward_hook(_remember(features, index))
            for model, features in ((student, self._student), (self.teacher, self._teacher))
            for index in self.layers
        ]

    def __call__(self, images: Tensor) -> Tensor:
        """The loss of the images that the student has just seen, a scalar.

        Args:
            images: (B, 3, H, W), 0 to 1: the student's last input.
        """
        with torch.no_grad():
            self.teacher(images)
        losses = []
        for index in self.layers:
            ours, theirs = self._student[index].float(), self._teacher[index].float()
            energy = _mean_square(theirs).clamp(min=SMALLEST_ENERGY) if self.normalised else theirs.new_ones(())
            losses.append(_Distance.apply(ours, theirs, energy))
        self.forget()
        return torch.stack(losses).mean() if self.normalised else torch.stack(losses).sum()

    def forget(self) -> None:
        """Let go of the remembered outputs and of the graph they hold."""
        self._student.clear()
        self._teacher.clear()

    def close(self) -> None:
        """Stop watching the student."""
        for handle in self._handles:
            handle.remove()
        self.forget()


class _Distance(torch.autograd.Function):
    """Mean squared difference / energy, with a gradient for the first alone, in fewer passes than torch's own."""

    @staticmethod
    def forward(ctx: Any, ours: Tensor, theirs: Tensor, energy: Tensor) -> Tensor:
        difference = ours - theirs
        ctx.save_for_backward(difference, energy)
        return _mean_square(difference) / energy

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        difference, energy = ctx.saved_tensors
        return difference * (gradient * 2 / (energy * difference.numel())), None, None


def _mean_square(x: Tensor) -> Tensor:
    """As a norm, which allocates nothing of the size of `x`."""
    return torch.linalg.vector_norm(x).square() / x.numel()


def _quantized_layers(model: YoloModel) -> list[int]:
    return [
        index
        for index, layer in enumerate(model.model)
        if layer is not model.head and any(isinstance(module, QuantizedConvolution) for module in layer.modules())
    ]


def _remember(features: dict[int, Tensor], index: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if module.training:
            features[index] = output

    return hook
