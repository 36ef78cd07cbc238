"""Feature distillation from the float model (teacher) to its quantized copy (student)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.yolo import YoloModel
from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.quantizer import set_quantization

MIN_ENERGY = 1e-6
"""Lower bound of the mean square that differences are divided by; keeps an all-zero layer finite."""


class FeatureDistillation:
    """Mean over layers of the squared difference from the float model's output, relative to that output's energy.

    Dividing by the energy makes layers comparable; a plain sum is dominated by the few with large values and diverges.

    Args:
        student: quantized model; hooks store its layer outputs in training mode, until `close`.
        teacher: the same model before fine-tuning; it is frozen and its quantizers are switched off.
        layers: top-level layers to compare; None: all with a quantized convolution.
        normalised: False: the plain sum, as in NVIDIA's recipe.
    """

    def __init__(
        self, student: YoloModel, teacher: YoloModel, layers: Sequence[int] | None = None, *, normalised: bool = True
    ) -> None:
        # In training mode a fused model computes the same features and skips decoding boxes.
        self.teacher = teacher.train().requires_grad_(False)
        set_quantization(self.teacher, False)
        self.normalised = normalised
        self.layers = list(layers) if layers is not None else _quantized_layers(student)
        self._student: dict[int, Tensor] = {}
        self._teacher: dict[int, Tensor] = {}
        self._handles = [
            model.model[index].register_forward_hook(_store_output(features, index))
            for model, features in ((student, self._student), (self.teacher, self._teacher))
            for index in self.layers
        ]

    def __call__(self, images: Tensor) -> Tensor:
        """Return the loss of the batch that the student has just computed, a scalar.

        Args:
            images: (B, 3, H, W), 0 to 1; the student's last input.
        """
        with torch.no_grad():
            self.teacher(images)
        losses = []
        for index in self.layers:
            student, teacher = self._student[index].float(), self._teacher[index].float()
            energy = _mean_square(teacher).clamp(min=MIN_ENERGY) if self.normalised else teacher.new_ones(())
            losses.append(_Distance.apply(student, teacher, energy))
        self.clear()
        return torch.stack(losses).mean() if self.normalised else torch.stack(losses).sum()

    def clear(self) -> None:
        """Drop the stored outputs and the autograd graph they hold."""
        self._student.clear()
        self._teacher.clear()

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self.clear()


class _Distance(torch.autograd.Function):
    """Mean squared difference / energy, with a gradient for the student only, in fewer passes than torch's ops."""

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor, energy: Tensor) -> Tensor:
        difference = student - teacher
        ctx.save_for_backward(difference, energy)
        return _mean_square(difference) / energy

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        difference, energy = ctx.saved_tensors
        return difference * (gradient * 2 / (energy * difference.numel())), None, None


def _mean_square(x: Tensor) -> Tensor:
    """Return the mean square by a norm, which allocates nothing of the size of `x`."""
    return torch.linalg.vector_norm(x).square() / x.numel()


def _quantized_layers(model: YoloModel) -> list[int]:
    return [
        index
        for index, layer in enumerate(model.model)
        if layer is not model.head and any(isinstance(module, QuantizedConvolution) for module in layer.modules())
    ]


def _store_output(features: dict[int, Tensor], index: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if module.training:
            features[index] = output

    return hook
