"""Set the range of every quantizer from the weights and from activations over calibration images."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.calibration.amax import NO_SIGNAL, find_amax
from engine.quant.calibration.histogram import OUTLIER_FACTOR, ActivationHistogram
from engine.quant.quantizer import input_quantizers, quantized_convolutions


def collect(
    model: nn.Module, batches: Iterable[Tensor], device: torch.device | None = None
) -> dict[str, ActivationHistogram]:
    """Run the float model over the calibration images, and return a histogram of each input quantizer's tensor.

    Args:
        model: with quantizers; it computes in float meanwhile.
        batches: float images (B, 3, H, W), 0 to 1.
        device: where the model is; None: the device of its parameters.

    Raises:
        YoloqatError: an activation is nan or infinite; names the layer.
    """
    device = device or next(model.parameters()).device
    quantizers = input_quantizers(model)
    weights = [conv.weight_quantizer for conv in quantized_convolutions(model).values()]
    training = model.training
    model.eval()
    histograms = {name: quantizer.start_collecting() for name, quantizer in quantizers.items()}
    for quantizer in weights:
        quantizer.enabled = False
    try:
        with torch.no_grad():
            for images in batches:
                model(images.to(device))
    finally:
        for quantizer in quantizers.values():
            quantizer.stop_collecting()
        for quantizer in weights:
            quantizer.enabled = True
        model.train(training)
    return histograms


def set_ranges(
    model: nn.Module,
    histograms: dict[str, ActivationHistogram],
    method: str,
    *,
    percentile: float = 99.99,
) -> None:
    """Set each input quantizer's range from its histogram, each weight quantizer's by `weight_amax`.

    Raises:
        YoloqatError: a quantizer received no tensor; names the layer.
    """
    device = next(model.parameters()).device
    for name, quantizer in input_quantizers(model).items():
        amax = find_amax(histograms[name], method, bits=quantizer.num_bits, percentile=percentile)
        quantizer.set_amax(torch.tensor(amax, device=device))
    for conv in quantized_convolutions(model).values():
        conv.weight_quantizer.set_amax(weight_amax(conv))


def calibration_warnings(histograms: Mapping[str, ActivationHistogram]) -> list[str]:
    """Return a warning for each layer whose input was all zero or has outliers."""
    warnings = []
    for name, histogram in histograms.items():
        if histogram.elements and histogram.max <= NO_SIGNAL:
            warnings.append(f"the input of {name} was zero in all calibration images; its range is set to 1")
        elif len(histogram.outliers):
            warnings.append(
                f"{len(histogram.outliers)} of {histogram.elements} values of the input of {name} are more than "
                f"{OUTLIER_FACTOR:g} times the others, up to {histogram.max:.3g}; `max` covers them, the other "
                f"calibrators clip them"
            )
    return warnings


def weight_amax(conv: QuantizedConvolution) -> Tensor:
    """Return the largest weight of each output channel, (C, 1, 1, 1), raised where the bias would overflow int32.

    Integer runtimes store the bias as int32 in units of input scale × weight scale. A channel whose weights are
    (almost) zero has a scale so small that its bias overflows there, without an error. Hence the lower bound
    amax ≥ 127 · |bias| / (input scale · 2^30), one bit below the limit, which costs such a channel no accuracy.
    """
    top = 2 ** (conv.weight_quantizer.num_bits - 1) - 1
    input_top = 2 ** (conv.input_quantizer.num_bits - 1) - 1
    amax = conv.weight.detach().float().abs().amax((1, 2, 3), keepdim=True)
    floor = torch.full_like(amax, 1e-7)
    if conv.bias is not None:
        scale = conv.input_quantizer.amax / input_top
        floor = torch.maximum(floor, top * conv.bias.detach().abs().view(-1, 1, 1, 1) / (scale * 2**30))
    return torch.maximum(amax, floor)


@torch.no_grad()
def round_biases(model: nn.Module) -> None:
    """Round biases to whole units of input scale × weight scale, in place, as integer runtimes do when loading a file.

    Half a unit is far below a step of the output, but the levels that it flips in early layers add up. With biases
    rounded beforehand, a runtime computes the integers that fake quantization computed, and the same mAP.
    Two kinds of bias are left alone: those beyond the integers of float32 (dead channels, whose weights add nothing),
    and those of convolutions with fewer than eight input bits, which no runtime has integers for.
    """
    for conv in quantized_convolutions(model).values():
        if conv.bias is None or conv.input_quantizer.num_bits != 8:
            continue
        input_top = 2 ** (conv.input_quantizer.num_bits - 1) - 1
        top = 2 ** (conv.weight_quantizer.num_bits - 1) - 1
        unit = (conv.input_quantizer.amax.float() / input_top) * (conv.weight_quantizer.amax.float().flatten() / top)
        units = torch.round(conv.bias / unit)
        conv.bias.copy_(torch.where(units.abs() < 2**22, units * unit, conv.bias))


def amax_table(model: nn.Module) -> list[dict[str, object]]:
    """Return one row per quantizer: its convolutions, range and bits; a per-channel range as its least and largest."""
    readers: dict[int, list[str]] = {}
    convs = quantized_convolutions(model)
    for name, conv in convs.items():
        readers.setdefault(id(conv.input_quantizer), []).append(name)
    rows: list[dict[str, object]] = []
    for name, quantizer in input_quantizers(model).items():
        row = {"name": name, "kind": "input", "bits": quantizer.num_bits, "amax": float(quantizer.amax)}
        rows.append({**row, "convolutions": readers[id(quantizer)]})
    for name, conv in convs.items():
        amax = conv.weight_quantizer.amax
        amax_values = {"amax_min": float(amax.min()), "amax": float(amax.max()), "channels": amax.numel()}
        rows.append({"name": name, "kind": "weight", "bits": conv.weight_quantizer.num_bits, **amax_values})
    return rows
