"""The interface to a quantizer library.

Placement, calibration, search, sensitivity, fine-tuning and export use only these three classes. A backend lists
`Quantizer` and `QuantizedConvolution` before the library's own classes as bases; the library's classes do the rounding.
"""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.quant.calibration.histogram import ActivationHistogram


class Quantizer(nn.Module, ABC):
    """A symmetric range and its rounding; a mixin that comes before a library's quantizer in the list of bases.

    Common to every library: the range is a buffer `_amax` that stays fp32 under `half()` and loads from a state dict
    without CUDA and without an existing buffer; quantizing without a range raises; one histogram serves every
    calibrator. The library's class provides `num_bits` and `_disabled`, and reads `_amax`.
    """

    name: str
    """Path of the layer, for messages."""
    num_bits: int
    """2 to 8."""
    _disabled: bool
    _histogram: ActivationHistogram | None
    _last_counted: weakref.ref[Tensor] | None

    def _initialize(self, name: str) -> None:
        """Set the attributes of this class; call it after the library's constructor, which makes the module."""
        self.name = name
        self._histogram = None
        self._last_counted = None

    @property
    def enabled(self) -> bool:
        """Whether values are quantized; if not, they pass through unchanged."""
        return not self._disabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._disabled = not value

    @property
    def range(self) -> Tensor | None:
        """The range: a fixed buffer or a learned parameter; None before calibration."""
        amax = self._buffers.get("_amax")
        return amax if amax is not None else self._parameters.get("_amax")

    @property
    def amax(self) -> Tensor:
        """The range, fp32: 0-d, or (C, 1, 1, 1) with one value per output channel.

        Raises:
            YoloqatError: the quantizer is not calibrated; names the layer.
        """
        amax = self.range
        if amax is None:
            raise YoloqatError(f"the quantizer of {self.name} has no range", hint="Calibrate the model first (ptq).")
        return amax

    def set_amax(self, amax: Tensor) -> None:
        """Set the range to `amax`: 0-d, or one value per channel."""
        amax = amax.detach().float()
        if "_amax" in self._parameters:
            with torch.no_grad():
                self._amax.copy_(amax)
        elif "_amax" in self._buffers:
            self._amax = amax.to(self._amax.device)
        else:
            self.register_buffer("_amax", amax)

    @abstractmethod
    def quantize(self, inputs: Tensor, amax: Tensor) -> Tensor:
        """Round `inputs` to multiples of amax / (2^(num_bits-1) - 1), with a gradient; computes in fp32."""

    @abstractmethod
    def learn_range(self) -> None:
        """Turn the range into a parameter that receives a gradient.

        Raises:
            YoloqatError: the library has no gradient for a range.
        """

    def start_collecting(self) -> ActivationHistogram:
        """Start a histogram: until `stop_collecting`, tensors are counted and pass through unchanged."""
        self._histogram = ActivationHistogram(self.name)
        return self._histogram

    def stop_collecting(self) -> None:
        """Quantize again and drop the reference to the histogram."""
        self._histogram = None
        self._last_counted = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Count, quantize or pass through `inputs`; a tensor that two convolutions read is counted once."""
        if self._disabled:
            return inputs
        if self._histogram is None:
            return self.quantize(inputs, self.amax)
        if self._last_counted is None or self._last_counted() is not inputs:
            self._last_counted = weakref.ref(inputs)
            self._histogram.collect(inputs)
        return inputs

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        amax = self.range
        detached = None if amax is None else amax.detach()
        super()._apply(fn, recurse)
        if detached is not None and self._amax.dtype != torch.float32:
            self._amax.data = detached.to(self._amax.device)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        stored = state_dict.get(prefix + "_amax")
        if stored is not None and self.range is None:
            self.register_buffer("_amax", torch.empty_like(stored, dtype=torch.float32))
        # Skips the library's own method, which may move the buffer to CUDA.
        nn.Module._load_from_state_dict(self, state_dict, prefix, *args)

    def extra_repr(self) -> str:
        """Return the text for `print(model)`."""
        amax = self.range
        range_text = "no range" if amax is None else f"amax={amax.max().item():.4g}"
        return f"{self.num_bits}bit {range_text}" + (" per-channel" if amax is not None and amax.dim() else "")


class QuantizedConvolution(nn.Module, ABC):
    """A convolution that quantizes its input per tensor and its weight per output channel."""

    backend: ClassVar[str]
    """Name of the library."""
    weight: Tensor
    """(C, C / groups, Kh, Kw), float."""
    bias: Tensor | None
    input_quantizer: Quantizer
    weight_quantizer: Quantizer

    @abstractmethod
    def share_input_quantizer(self, quantizer: Quantizer) -> None:
        """Replace the input quantizer by `quantizer`, which several convolutions may share."""


class Backend(ABC):
    """A quantizer library."""

    @abstractmethod
    def quantize(self, conv: nn.Conv2d, name: str, bits: int, weight_bits: int) -> QuantizedConvolution:
        """Create a quantized convolution that takes over the parameters of `conv`; its quantizers have no range yet.

        Args:
            conv: float convolution; do not use it afterwards, its parameters are shared.
            name: path in the model, for messages.
            bits: bits of the input.
            weight_bits: bits of the weight.
        """

    @abstractmethod
    def exporting(self) -> AbstractContextManager[None]:
        """Return a context in which torch's ONNX exporter turns the library's 8-bit quantizers into Q/DQ nodes."""
