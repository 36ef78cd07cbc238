"""pytorch-quantization, the default: the library's classes, made safe."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from engine.quant.backends.interface import Backend, QuantizedConvolution
from engine.quant.backends.interface import Quantizer as RangeQuantizer
from engine.quant.fake import export_fake_quantize, fake_quantize, learned_fake_quantize
from engine.quant.library import QuantConv2d, QuantDescriptor, TensorQuantizer, root_logger_kept


class Quantizer(RangeQuantizer, TensorQuantizer):
    """pytorch-quantization's `TensorQuantizer` with a fixed range.

    What differs: the maths stays fp32 under autocast, and no call waits for the device.

    Args:
        name: the layer, for messages.
        bits: 2 to 8.
        axis: None for one range per tensor, 0 for one per entry of the first axis (a weight's output channels).
    """

    def __init__(self, name: str, bits: int = 8, axis: int | None = None) -> None:
        with root_logger_kept():
            super().__init__(QuantDescriptor(num_bits=bits, axis=axis))
        self._calibrator = None
        self._begin(name)

    def learn_range(self) -> None:
        """Make the range a parameter, which `learned_fake_quantize` gives a gradient."""
        amax = self._buffers.pop("_amax", None)
        if amax is not None:
            self.register_parameter("_amax", nn.Parameter(amax.clone()))

    def quantize(self, inputs: Tensor, amax: Tensor) -> Tensor:
        """See `engine.quant.fake`."""
        if TensorQuantizer.use_fb_fake_quant:
            return export_fake_quantize(inputs, amax, self._num_bits)
        if amax.requires_grad and torch.is_grad_enabled():
            return learned_fake_quantize(inputs, amax, self._num_bits)
        return fake_quantize(inputs, amax, self._num_bits)


class QuantizedConv2d(QuantizedConvolution, QuantConv2d):
    """pytorch-quantization's `QuantConv2d` made from a float convolution, whose parameters it takes over."""

    backend = "pytorch-quantization"

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

    def init_quantizer(self, *descriptors: QuantDescriptor) -> None:
        """Make no quantizers: `of` does. The library's own way walks the stack and reads the source of every caller."""
        self._fake_quant = True

    def share_input_quantizer(self, quantizer: RangeQuantizer) -> None:
        """Quantize the input by `quantizer` from now on."""
        self._input_quantizer = quantizer


class PytorchQuantization(Backend):
    """The library of NVIDIA's published YOLOv7 recipe; no longer developed."""

    def quantize(self, conv: nn.Conv2d, name: str, bits: int, weight_bits: int) -> QuantizedConvolution:
        """See `QuantizedConv2d.of`."""
        return QuantizedConv2d.of(conv, name, bits, weight_bits)

    @contextmanager
    def exporting(self) -> Iterator[None]:
        """The library's switch to the ops that become Q/DQ nodes, put back whatever happens."""
        before = TensorQuantizer.use_fb_fake_quant
        TensorQuantizer.use_fb_fake_quant = True
        try:
            yield
        finally:
            TensorQuantizer.use_fb_fake_quant = before


BACKEND = PytorchQuantization()
