"""From float weights and calibration images to the range of every quantizer."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.calibration.amax import NO_SIGNAL, find_amax
from engine.quant.calibration.histogram import FAR, ActivationHistogram
from engine.quant.quantizer import input_quantizers, quantized_convolutions


def collect(
    model: nn.Module, batches: Iterable[Tensor], device: torch.device | None = None
) -> dict[str, ActivationHistogram]:
    """Run the float model over the calibration images and count what its quantizers see.

    Args:
        model: model with quantizers; computes in float meanwhile.
        batches: float images (B, 3, H, W), 0 to 1.
        device: where the model is; None asks its parameters.

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
    """Give each input quantizer its range from its histogram, each weight quantizer the largest weight per channel.

    Raises:
        YoloqatError: a quantizer saw no tensor; names the layer.
    """
    device = next(model.parameters()).device
    for name, quantizer in input_quantizers(model).items():
        amax = find_amax(histograms[name], method, bits=quantizer.num_bits, percentile=percentile)
        quantizer.set_amax(torch.tensor(amax, device=device))
    for conv in quantized_convolutions(model).values():
        conv.weight_quantizer.set_amax(weight_amax(conv))


def oddities(histograms: Mapping[str, ActivationHistogram]) -> list[str]:
    """A sentence for each layer whose input was zero throughout, or has outliers."""
    warnings = []
    for name, histogram in histograms.items():
        if histogram.elements and histogram.max <= NO_SIGNAL:
            warnings.append(f"the input of {name} was zero in all calibration images; its range is set to 1")
        elif len(histogram.far):
            warnings.append(
                f"{len(histogram.far)} of {histogram.elements} values of the input of {name} are more than {FAR:g} "
                f"times the others, up to {histogram.max:.3g}; `max` covers them, the other calibrators clip them"
            )
    return warnings


def weight_amax(conv: QuantizedConvolution) -> Tensor:
    """The largest weight of each output channel, (C, 1, 1, 1), raised where the bias would not fit into its integers.

    Integer runtimes keep the bias as int32 in units of input scale × weight scale. A channel whose weights are (almost)
    zero has a scale so small that its bias overflows there and is silently lost. So
    amax ≥ 127 · |bias| / (input scale · 2^30), one bit below the limit, which costs a dead channel nothing.
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
    """Round biases to whole units of input scale × weight scale, in place, as integer runtimes do on loading a file.

    Half a unit is far less than a step of the output, but steps that it flips early are many in the end. With biases
    that are whole already, a runtime's integers are those that fake quantization has computed, and its mAP as well.
    Values that float32 cannot count in units stay: dead channels, whose weights add nothing. So do the biases of
    convolutions whose inputs have fewer than eight bits: no runtime has integers for them, and their units are coarse.
    """
    for conv in quantized_convolutions(model).values():
        if conv.bias is None or conv.input_quantizer.num_bits != 8:
            continue
        input_top = 2 ** (conv.input_quantizer.num_bits - 1) - 1
        top = 2 ** (conv.weight_quantizer.num_bits - 1) - 1
        unit = (conv.input_quantizer.amax.float() / input_top) * (conv.weight_quantizer.amax.float().flatten() / top)
        whole = torch.round(conv.bias / unit)
        conv.bias.copy_(torch.where(whole.abs() < 2**22, whole * unit, conv.bias))


def amax_table(model: nn.Module) -> list[dict[str, object]]:
    """One row per quantizer: its convolutions, its range and its bits; per-channel ranges as smallest and largest."""
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
        span = {"amax_min": float(amax.min()), "amax": float(amax.max()), "channels": amax.numel()}
        rows.append({"name": name, "kind": "weight", "bits": conv.weight_quantizer.num_bits, **span})
    return rows
