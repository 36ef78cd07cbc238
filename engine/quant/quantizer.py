"""The quantizer and the quantized convolution that our models carry: the library's, made safe."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.quant.fake import export_fake_quantize, fake_quantize, learned_fake_quantize
from engine.quant.histogram import ActivationHistogram
from engine.quant.library import QuantConv2d, QuantDescriptor, TensorQuantizer, root_logger_kept


class Quantizer(TensorQuantizer):
    """pytorch-quantization's `TensorQuantizer` with a fixed range.

    What differs: loading a state dict works without CUDA and without a buffer to load into; the maths and `amax` stay
    fp32 under autocast and `half()`; no call waits for the device; one histogram serves every calibrator.

    Args:
        name: the layer, for messages.
        bits: 2 to 8.
        axis: None for one range per tensor, 0 for one per entry of the first axis (a weight's output channels).
    """

    def __init__(self, name: str, bits: int = 8, axis: int | None = None) -> None:
        with root_logger_kept():
            super().__init__(QuantDescriptor(num_bits=bits, axis=axis))
        self.name = name
        self._calibrator: ActivationHistogram | None = None
        self._if_calib = False
        self._counted: weakref.ref[Tensor] | None = None

    def set_amax(self, amax: Tensor) -> None:
        """Take `amax` (0-d, or one value per channel) as the range."""
        amax = amax.detach().float()
        if "_amax" in self._parameters:
            with torch.no_grad():
                self._amax.copy_(amax)
        elif "_amax" in self._buffers:
            self._amax = amax.to(self._amax.device)
        else:
            self.register_buffer("_amax", amax)

    def learn_range(self) -> None:
        """Make the range a parameter, which `learned_fake_quantize` gives a gradient."""
        amax = self._buffers.pop("_amax", None)
        if amax is not None:
            self.register_parameter("_amax", nn.Parameter(amax.clone()))

    def start_collecting(self) -> ActivationHistogram:
        """Pass tensors through unchanged and count them, until `stop_collecting`."""
        self._calibrator = ActivationHistogram(self.name)
        self._if_calib, self._if_quant = True, False
        return self._calibrator

    def stop_collecting(self) -> None:
        """Quantize again; the histogram is let go."""
        self._calibrator = None
        self._counted = None
        self._if_calib, self._if_quant = False, True

    def forward(self, inputs: Tensor) -> Tensor:
        """Count, quantize or pass through; a tensor that two convolutions read is counted once."""
        if self._if_calib:
            if self._counted is not None and self._counted() is inputs:
                return inputs
            self._counted = weakref.ref(inputs)
        return super().forward(inputs)

    @property
    def _range(self) -> Tensor | None:
        """Fixed or learned; None before the calibration."""
        found = self._buffers.get("_amax")
        return found if found is not None else self._parameters.get("_amax")

    def _quant_forward(self, inputs: Tensor) -> Tensor:
        amax = self._range
        if amax is None:
            raise YoloqatError(f"the quantizer of {self.name} has no range", hint="Calibrate the model first (ptq).")
        if TensorQuantizer.use_fb_fake_quant:
            return export_fake_quantize(inputs, amax, self._num_bits)
        if amax.requires_grad and torch.is_grad_enabled():
            return learned_fake_quantize(inputs, amax, self._num_bits)
        return fake_quantize(inputs, amax, self._num_bits)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Quantizer":
        amax = self._range
        kept = None if amax is None else amax.detach()
        super()._apply(fn, recurse)
        if kept is not None and self._amax.dtype != torch.float32:
            self._amax.data = kept.to(self._amax.device)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        stored = state_dict.get(prefix + "_amax")
        if stored is not None and self._range is None:
            self.register_buffer("_amax", torch.empty_like(stored, dtype=torch.float32))
        # Past the library's own method, which moves the buffer to CUDA.
        nn.Module._load_from_state_dict(self, state_dict, prefix, *args)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        amax = self._range
        span = "no range" if amax is None else f"amax={amax.max().item():.4g}"
        return f"{self._num_bits}bit {span}" + (" per-channel" if self._axis is not None else "")


class QuantizedConv2d(QuantConv2d):
    """pytorch-quantization's `QuantConv2d` made from a float convolution, whose parameters it takes over."""

    @classmethod
    def of(cls, conv: nn.Conv2d, name: str, bits: int = 8, weight_bits: int = 8) -> "QuantizedConv2d":
        """Wrap `conv`; its input quantizer may be replaced by one that several convolutions share."""
        with torch.device("meta"), root_logger_kept():
            # Parameters of the constructor are thrown away; on this device they cost neither time nor random numbers.
            twin = cls(
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size,
                conv.stride,
                conv.padding,
                conv.dilation,
                conv.groups,
                conv.bias is not None,
                conv.padding_mode,
            )
        twin.weight, twin.bias = conv.weight, conv.bias
        twin._input_quantizer = Quantizer(name, bits)
        twin._weight_quantizer = Quantizer(f"the weight of {name}", weight_bits, axis=0)
        twin.train(conv.training)
        return twin


def quantized_convolutions(model: nn.Module) -> dict[str, QuantizedConv2d]:
    """Path → convolution, in the order of the model's modules."""
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantizedConv2d)}


def input_quantizers(model: nn.Module) -> dict[str, Quantizer]:
    """Name → input quantizer; one that several convolutions share comes once, by the name of the first."""
    found: dict[int, tuple[str, Quantizer]] = {}
    for name, conv in quantized_convolutions(model).items():
        found.setdefault(id(conv._input_quantizer), (name, conv._input_quantizer))
    return dict(found.values())


def set_quantization(model: nn.Module, enabled: bool) -> None:
    """Turn every quantizer on, or off: then the model computes in float."""
    for conv in quantized_convolutions(model).values():
        conv._input_quantizer._disabled = conv._weight_quantizer._disabled = not enabled
