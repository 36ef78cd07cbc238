"""The ModelOpt backend: its quantized convolution, rounding and ONNX export. Importing it takes seconds."""

from contextlib import AbstractContextManager, nullcontext

import torch
from modelopt.torch.quantization.config import QuantizerAttributeConfig
from modelopt.torch.quantization.nn import QuantModuleRegistry, TensorQuantizer
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.quant.backends.interface import Backend, QuantizedConvolution
from engine.quant.backends.interface import Quantizer as RangeQuantizer


class Quantizer(RangeQuantizer, TensorQuantizer):
    """ModelOpt's `TensorQuantizer`, signed and static, without a gradient for values outside the range.

    ModelOpt multiplies by 127 / amax; ONNX, and pytorch-quantization as used here, divide by amax / 127. A value within
    a few float32 roundings of the middle between two levels may therefore round to either of them.

    Args:
        name: path of the layer, for messages.
        bits: 2 to 8.
        axis: None for one range per tensor, 0 for one per entry of the first axis (a weight's output channels).
    """

    def __init__(self, name: str, bits: int = 8, axis: int | None = None) -> None:
        super().__init__(QuantizerAttributeConfig(num_bits=bits, axis=axis, pass_through_bwd=False))
        self._initialize(name)

    def quantize(self, inputs: Tensor, amax: Tensor) -> Tensor:
        """Quantize as the library does, but skip its memory-format copy, for CUDA kernels, on the CPU."""
        return self._fake_quantize(inputs) if inputs.device.type == "cpu" else TensorQuantizer.forward(self, inputs)

    def learn_range(self) -> None:
        """Refuse: ModelOpt has no gradient for a range.

        Raises:
            YoloqatError: always.
        """
        raise YoloqatError(
            f"the backend modelopt cannot learn ranges (--lsq), such as that of {self.name}",
            hint="Fine-tune without --lsq, or run `ptq` with --backend pytorch-quantization.",
        )


class _Convolution(QuantizedConvolution, nn.Conv2d):
    """A convolution whose class `QuantModuleRegistry` replaces, in place, by its quantized one."""

    backend = "modelopt"

    def share_input_quantizer(self, quantizer: RangeQuantizer) -> None:
        """Replace the input quantizer by `quantizer`."""
        self.input_quantizer = quantizer


class ModelOpt(Backend):
    """NVIDIA ModelOpt, the successor of pytorch-quantization."""

    def quantize(self, conv: nn.Conv2d, name: str, bits: int, weight_bits: int) -> QuantizedConvolution:
        """Wrap `conv` as `mtq.quantize` does, with our quantizers in place of the library's calibrators."""
        with torch.device("meta"):
            # The constructor's parameters are discarded; on the meta device they take no time and no random numbers.
            twin = _Convolution(
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size,  # type: ignore[arg-type]
                conv.stride,  # type: ignore[arg-type]
                conv.padding,  # type: ignore[arg-type]
                conv.dilation,  # type: ignore[arg-type]
                conv.groups,
                conv.bias is not None,
                conv.padding_mode,
            )
        twin.weight, twin.bias = conv.weight, conv.bias
        QuantModuleRegistry.convert(twin)
        twin.input_quantizer = Quantizer(name, bits)
        twin.weight_quantizer = Quantizer(f"the weight of {name}", weight_bits, axis=0)
        return twin.train(conv.training)

    def exporting(self) -> AbstractContextManager[None]:
        """Return an empty context: ModelOpt's quantizers register their ONNX form themselves."""
        return nullcontext()


BACKEND = ModelOpt()
