"""The pytorch-quantization backend, the default."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from engine.quant.backends.interface import Backend, QuantizedConvolution
from engine.quant.backends.interface import Quantizer as RangeQuantizer
from engine.quant.backends.pytorch_quantization_import import (
    QuantConv2d,
    QuantDescriptor,
    TensorQuantizer,
    preserve_root_logger,
)
from engine.quant.fake_quantization import export_fake_quantize, fake_quantize, learned_fake_quantize


class Quantizer(RangeQuantizer, TensorQuantizer):
    """pytorch-quantization's `TensorQuantizer` with a fixed range.

    Unlike the library's, it computes in fp32 under autocast, and no call synchronizes with the device.

    Args:
        name: path of the layer, for messages.
        bits: 2 to 8.
        axis: None for one range per tensor, 0 for one per entry of the first axis (a weight's output channels).
    """

    def __init__(self, name: str, bits: int = 8, axis: int | None = None) -> None:
        with preserve_root_logger():
            super().__init__(QuantDescriptor(num_bits=bits, axis=axis))
        self._calibrator = None
        self._initialize(name)

    def learn_range(self) -> None:
        """Turn the range into a parameter; `learned_fake_quantize` computes its gradient."""
        amax = self._buffers.pop("_amax", None)
        if amax is not None:
            self.register_parameter("_amax", nn.Parameter(amax.clone()))

    def quantize(self, inputs: Tensor, amax: Tensor) -> Tensor:
        """Round `inputs` by the function of `engine.quant.fake_quantization` for export, learned or fixed ranges."""
        if TensorQuantizer.use_fb_fake_quant:
            return export_fake_quantize(inputs, amax, self._num_bits)
        if amax.requires_grad and torch.is_grad_enabled():
            return learned_fake_quantize(inputs, amax, self._num_bits)
        return fake_quantize(inputs, amax, self._num_bits)


class QuantizedConv2d(QuantizedConvolution, QuantConv2d):
    """pytorch-quantization's `QuantConv2d` with the parameters of a float convolution."""

    backend = "pytorch-quantization"

    @classmethod
    def of(cls, conv: nn.Conv2d, name: str, bits: int = 8, weight_bits: int = 8) -> "QuantizedConv2d":
        """Create it from `conv`, whose parameters it takes over."""
        with torch.device("meta"), preserve_root_logger():
            # The constructor's parameters are discarded; on the meta device they take no time and no random numbers.
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

    def init_quantizer(self, *descriptors: QuantDescriptor) -> None:
        """Create no quantizers; `of` does. The library's method walks the stack and reads each caller's source."""
        self._fake_quant = True

    def share_input_quantizer(self, quantizer: RangeQuantizer) -> None:
        """Replace the input quantizer by `quantizer`."""
        self._input_quantizer = quantizer


class PytorchQuantization(Backend):
    """pytorch-quantization, the library of NVIDIA's published YOLOv7 recipe; no longer developed."""

    def quantize(self, conv: nn.Conv2d, name: str, bits: int, weight_bits: int) -> QuantizedConvolution:
        """Create a `QuantizedConv2d` from `conv`."""
        return QuantizedConv2d.of(conv, name, bits, weight_bits)

    @contextmanager
    def exporting(self) -> Iterator[None]:
        """Switch the library to the ops that are exported as Q/DQ nodes, and restore its switch afterwards."""
        before = TensorQuantizer.use_fb_fake_quant
        TensorQuantizer.use_fb_fake_quant = True
        try:
            yield
        finally:
            TensorQuantizer.use_fb_fake_quant = before


BACKEND = PytorchQuantization()
