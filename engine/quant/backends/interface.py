"""What the engine knows of a library of quantizers.

Placement, calibration, search, sensitivity, fine-tuning and export are written against these three classes alone. A
backend puts `Quantizer` and `QuantizedConvolution` before the library's own classes, which do the rounding.
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
    """A symmetric range and its rounding, to stand before a library's quantizer among the bases of a class.

    What is the same with every library: the range is a buffer `_amax` that stays fp32 under `half()`, and that loads
    without CUDA and without a buffer to load into; without one nothing is quantized; one histogram serves every
    calibrator. The library's class has `num_bits` and `_disabled`, and reads `_amax`.
    """

    name: str
    """The layer, for messages."""
    num_bits: int
    """2 to 8."""
    _disabled: bool
    _histogram: ActivationHistogram | None
    _counted: weakref.ref[Tensor] | None

    def _begin(self, name: str) -> None:
        """Call it once the library's constructor is through."""
        self.name = name
        self._histogram = None
        self._counted = None

    @property
    def enabled(self) -> bool:
        """Whether values are quantized; otherwise they pass through."""
        return not self._disabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._disabled = not value

    @property
    def range(self) -> Tensor | None:
        """Fixed, or a learned parameter; None before the calibration."""
        amax = self._buffers.get("_amax")
        return amax if amax is not None else self._parameters.get("_amax")

    @property
    def amax(self) -> Tensor:
        """The range, fp32: 0-d, or (C, 1, 1, 1) with one value per output channel.

        Raises:
            YoloqatError: there is none yet; names the layer.
        """
        found = self.range
        if found is None:
            raise YoloqatError(f"the quantizer of {self.name} has no range", hint="Calibrate the model first (ptq).")
        return found

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

    @abstractmethod
    def quantize(self, inputs: Tensor, amax: Tensor) -> Tensor:
        """Round `inputs` to multiples of amax / (2^(num_bits-1) - 1), with a gradient; computes in fp32."""

    @abstractmethod
    def learn_range(self) -> None:
        """Make the range a parameter that gets a gradient.

        Raises:
            YoloqatError: the library knows no gradient of a range.
        """

    def start_collecting(self) -> ActivationHistogram:
        """Pass tensors through unchanged and count them, until `stop_collecting`."""
        self._histogram = ActivationHistogram(self.name)
        return self._histogram

    def stop_collecting(self) -> None:
        """Quantize again; the histogram is let go."""
        self._histogram = None
        self._counted = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Count, quantize or pass through; a tensor that two convolutions read is counted once."""
        if self._disabled:
            return inputs
        if self._histogram is None:
            return self.quantize(inputs, self.amax)
        if self._counted is None or self._counted() is not inputs:
            self._counted = weakref.ref(inputs)
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
        # Past the library's own method, which may move the buffer to CUDA.
        nn.Module._load_from_state_dict(self, state_dict, prefix, *args)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        amax = self.range
        span = "no range" if amax is None else f"amax={amax.max().item():.4g}"
        return f"{self.num_bits}bit {span}" + (" per-channel" if amax is not None and amax.dim() else "")


class QuantizedConvolution(nn.Module, ABC):
    """A convolution that quantizes its input, per tensor, and its weight, per output channel."""

    backend: ClassVar[str]
    """Name of the library."""
    weight: Tensor
    """(C, C / groups, Kh, Kw), float."""
    bias: Tensor | None
    input_quantizer: Quantizer
    weight_quantizer: Quantizer

    @abstractmethod
    def share_input_quantizer(self, quantizer: Quantizer) -> None:
        """Quantize the input by `quantizer` from now on, which other convolutions may use, too."""


class Backend(ABC):
    """A library of quantizers."""

    @abstractmethod
    def quantize(self, conv: nn.Conv2d, name: str, bits: int, weight_bits: int) -> QuantizedConvolution:
        """A quantized convolution with the parameters of `conv`; its quantizers have no range yet.

        Args:
            conv: float convolution, to be used no more.
            name: its path in the model, for messages.
            bits: of the input.
            weight_bits: of the weight.
        """

    @abstractmethod
    def exporting(self) -> AbstractContextManager[None]:
        """While it lasts, torch's ONNX exporter makes Q/DQ nodes of the library's quantizers of eight bits."""
