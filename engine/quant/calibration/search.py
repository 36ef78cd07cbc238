"""Search for the calibrator, and try the bias correction, that bring the head closest to the float model's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.calibration.amax import METHODS
from engine.quant.calibration.calibrate import set_ranges, weight_amax
from engine.quant.calibration.histogram import ActivationHistogram
from engine.quant.head_error import HeadError
from engine.quant.quantizer import quantized_convolutions, set_quantization

PERCENTILES = (99.9, 99.99, 99.999)


@dataclass(frozen=True)
class Candidate:
    """A calibrator and the error of the model with its ranges."""

    method: str
    percentile: float
    error: float
    """`HeadError`; smaller is better."""

    @property
    def name(self) -> str:
        return f"percentile {self.percentile:g}" if self.method == "percentile" else self.method


def choose_calibrator(
    model: nn.Module, histograms: dict[str, ActivationHistogram], error: HeadError
) -> tuple[Candidate, list[Candidate]]:
    """Try every calibrator on the same histograms, and set the ranges of the best.

    Returns:
        The best candidate, and all of them, best first.
    """
    candidates = []
    for method in METHODS:
        for percentile in PERCENTILES if method == "percentile" else (0.0,):
            set_ranges(model, histograms, method, percentile=percentile)
            candidates.append(Candidate(method, percentile, error(model)))
    candidates.sort(key=lambda candidate: candidate.error)
    best = candidates[0]
    set_ranges(model, histograms, best.method, percentile=best.percentile)
    return best, candidates


def correct_biases(model: nn.Module, batches: Sequence[Tensor], error: HeadError) -> tuple[float, float, bool]:
    """Shift each bias so that the mean output equals the float model's; undo it unless the head's error shrinks.

    Quantization shifts the mean of a channel's output, and later layers accumulate the shifts (Nagel et al. 2019,
    arXiv:1906.04721, section 4.2). Layers are corrected one after the other, in the order of the model, so that each
    correction includes those before it.

    Args:
        batches: float images (B, 3, H, W), on the model's device.

    Returns:
        The error before, the error after, and whether the correction stays applied.
    """
    convs = quantized_convolutions(model)
    before = error(model)
    original_biases = {name: conv.bias.detach().clone() for name, conv in convs.items() if conv.bias is not None}
    original_ranges = {name: conv.weight_quantizer.amax.clone() for name, conv in convs.items()}
    set_quantization(model, False)
    float_means = _mean_outputs(model, convs, batches)
    set_quantization(model, True)
    with torch.no_grad():
        for name in original_biases:
            conv = convs[name]
            shift = float_means[name] - _mean_outputs(model, {name: conv}, batches)[name]
            assert conv.bias is not None
            conv.bias += shift.to(conv.bias)
            conv.weight_quantizer.set_amax(weight_amax(conv))
    after = error(model)
    if after < before:
        return before, after, True
    with torch.no_grad():
        for name, bias in original_biases.items():
            parameter = convs[name].bias
            assert parameter is not None
            parameter.copy_(bias)
            convs[name].weight_quantizer.set_amax(original_ranges[name])
    return before, after, False


def _mean_outputs(
    model: nn.Module, convs: dict[str, QuantizedConvolution], batches: Iterable[Tensor]
) -> dict[str, Tensor]:
    """Return the (C,) mean of each output channel over all images and positions."""
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add_hook(name: str, conv: QuantizedConvolution) -> torch.utils.hooks.RemovableHandle:
        def accumulate(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            total = output.sum((0, 2, 3), dtype=torch.float64)
            sums[name] = sums[name] + total if name in sums else total
            counts[name] = counts.get(name, 0) + output.numel() // output.shape[1]

        return conv.register_forward_hook(accumulate)

    handles = [add_hook(name, conv) for name, conv in convs.items()]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for images in batches:
                model(images)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return {name: sums[name] / counts[name] for name in convs}
