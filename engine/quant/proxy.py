"""How far a quantized model's head is from the float model's: a stand-in for mAP that needs no labels."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from engine.quant.quantizer import set_quantization


class HeadError:
    """The squared difference of the head's raw outputs to the float model's, in units of their energy.

    err = Σ_levels Σ w ‖q − f‖² / Σ w ‖f − mean f‖² / levels. The mean is left out of the energy because the biases of
    objectness, which no quantizer can change much, would hide everything else. Each cell has the weight
    w = √σ(objectness of f): most cells see no object, and mAP does not ask what they say.

    Args:
        model: with quantizers that have ranges; its float outputs are remembered, so its weights must stay.
        batches: float images (B, 3, H, W), 0 to 1, on the model's device.
    """

    def __init__(self, model: nn.Module, batches: Iterable[Tensor]) -> None:
        self._batches = list(batches)
        set_quantization(model, False)
        try:
            self._float = [_raws(model, images) for images in self._batches]
        finally:
            set_quantization(model, True)
        levels = zip(*self._float, strict=True)
        self._energy = [_energy(torch.cat([raw.flatten(0, -2) for raw in level])) for level in levels]

    def __call__(self, model: nn.Module) -> float:
        """The error of `model` with its quantizers as they are set now; inf where an output is not finite."""
        errors = [0.0] * len(self._energy)
        for images, expected in zip(self._batches, self._float, strict=True):
            for level, (got, reference) in enumerate(zip(_raws(model, images), expected, strict=True)):
                errors[level] += _weighted(got - reference, reference)
        relative = sum(error / energy for error, energy in zip(errors, self._energy, strict=True)) / len(errors)
        return relative if relative == relative else float("inf")


def _raws(model: nn.Module, images: Tensor) -> list[Tensor]:
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return [raw.float() for raw in model(images)[1]]
    finally:
        model.train(training)


def _energy(raw: Tensor) -> float:
    """Of (n, 5 + nc) raw outputs, each column around its mean."""
    return max(_weighted(raw - raw.mean(0), raw), 1e-12)


def _weighted(difference: Tensor, raw: Tensor) -> float:
    """Sum of the squares of (…, 5 + nc) differences, each cell weighted by the objectness in `raw`."""
    weights = raw[..., 4].sigmoid().sqrt_()
    return float((difference.square().sum(-1) * weights).sum(dtype=torch.float64))
