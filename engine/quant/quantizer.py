"""The quantizers of a model, whichever backend they come from."""

from torch import nn

from engine.quant.backends.interface import QuantizedConvolution, Quantizer


def quantized_convolutions(model: nn.Module) -> dict[str, QuantizedConvolution]:
    """Path → convolution, in the order of the model's modules."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedConvolution)}


def backend_of(model: nn.Module) -> str | None:
    """The name of the backend that the model's quantizers come from; None where it has none."""
    return next((conv.backend for conv in quantized_convolutions(model).values()), None)


def input_quantizers(model: nn.Module) -> dict[str, Quantizer]:
    """Name → input quantizer; one that several convolutions share comes once, by the name of the first."""
    by_identity: dict[int, tuple[str, Quantizer]] = {}
    for name, conv in quantized_convolutions(model).items():
        by_identity.setdefault(id(conv.input_quantizer), (name, conv.input_quantizer))
    return dict(by_identity.values())


def set_quantization(model: nn.Module, enabled: bool) -> None:
    """Turn every quantizer on, or off: then the model computes in float."""
    for conv in quantized_convolutions(model).values():
        conv.input_quantizer.enabled = conv.weight_quantizer.enabled = enabled
