"""Error of a quantized model's head output against the float model's: a proxy for mAP that needs no labels."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from engine.quant.quantizer import set_quantization


class HeadError:
    """Squared difference of the head's raw outputs from the float model's, relative to their energy.

    err = Σ_levels Σ w ‖q − f‖² / Σ w ‖f − mean f‖² / levels. The energy excludes the mean, because the biases of
    objectness, which quantization hardly changes, would dominate it. Each cell has the weight w = √σ(objectness of f):
    most cells contain no object, and mAP does not depend on their output.

    Args:
        model: calibrated; its float outputs are computed once, so its weights must not change afterwards.
        batches: float images (B, 3, H, W), 0 to 1, on the model's device.
    """

    def __init__(self, model: nn.Module, batches: Iterable[Tensor]) -> None:
        self._batches = list(batches)
        set_quantization(model, False)
        try:
            self._float_outputs = [_raw_outputs(model, images) for images in self._batches]
        finally:
            set_quantization(model, True)
        levels = zip(*self._float_outputs, strict=True)
        self._energy = [_energy(torch.cat([raw.flatten(0, -2) for raw in level])) for level in levels]

    def __call__(self, model: nn.Module) -> float:
        """Return the error of `model` with its present quantizer settings; inf when an output is not finite."""
        errors = [0.0] * len(self._energy)
        for images, expected in zip(self._batches, self._float_outputs, strict=True):
            for level, (actual, reference) in enumerate(zip(_raw_outputs(model, images), expected, strict=True)):
                errors[level] += _weighted_square_sum(actual - reference, reference)
        relative = sum(error / energy for error, energy in zip(errors, self._energy, strict=True)) / len(errors)
        return relative if relative == relative else float("inf")


def _raw_outputs(model: nn.Module, images: Tensor) -> list[Tensor]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return [raw.float() for raw in model(images)[1]]
    finally:
        model.train(training)


def _energy(raw: Tensor) -> float:
    """Return the weighted energy of (n, 5 + nc) raw outputs, each column around its mean."""
    return max(_weighted_square_sum(raw - raw.mean(0), raw), 1e-12)


def _weighted_square_sum(difference: Tensor, raw: Tensor) -> float:
    """Sum the squares of (…, 5 + nc) differences, each cell weighted by the objectness in `raw`."""
    weights = raw[..., 4].sigmoid().sqrt_()
    return float((difference.square().sum(-1) * weights).sum(dtype=torch.float64))
