"""Find and switch the quantizers of a model, whichever backend they come from."""

from torch import nn

from engine.quant.backends.interface import QuantizedConvolution, Quantizer


def quantized_convolutions(model: nn.Module) -> dict[str, QuantizedConvolution]:
    """Return path → quantized convolution, in the order of the model's modules."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedConvolution)}


def backend_of(model: nn.Module) -> str | None:
    """Return the name of the backend of the model's quantizers; None for a float model."""
    return next((conv.backend for conv in quantized_convolutions(model).values()), None)


def input_quantizers(model: nn.Module) -> dict[str, Quantizer]:
    """Return name → input quantizer; one that several convolutions share is listed once, under the first one's name."""
    by_identity: dict[int, tuple[str, Quantizer]] = {}
    for name, conv in quantized_convolutions(model).items():
        by_identity.setdefault(id(conv.input_quantizer), (name, conv.input_quantizer))
    return dict(by_identity.values())


def set_quantization(model: nn.Module, enabled: bool) -> None:
    """Switch every quantizer on or off; with all off the model computes in float."""
    for conv in quantized_convolutions(model).values():
        conv.input_quantizer.enabled = conv.weight_quantizer.enabled = enabled
