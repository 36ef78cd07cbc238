"""Check that a Q/DQ file has the structure that INT8 runtimes require."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto

from engine.contracts.errors import YoloqatError
from engine.export.graph import DEQUANTIZE, QUANTIZE, Index, value_classes


@dataclass(frozen=True)
class Structure:
    """Counts and paths of a checked file."""

    nodes: int
    qdq_pairs: int
    convolutions: int
    quantized: tuple[str, ...]
    """Paths of the convolutions with Q/DQ on input and weight."""
    floating: tuple[str, ...]
    activation_scales: int
    """Number of value classes with a scale."""


def check_structure(model: onnx.ModelProto, quantized: Collection[str]) -> Structure:
    """Check the Q/DQ nodes of a file that `export_onnx` wrote.

    Args:
        model: the file, with parameters named by their paths.
        quantized: paths of the convolutions that must be quantized; all others must be float.

    Raises:
        YoloqatError: names the convolution or tensor, and the fault.
    """
    onnx.checker.check_model(model, full_check=True)
    index = Index(model.graph)
    for node in model.graph.node:
        if node.op_type in (QUANTIZE, DEQUANTIZE):
            _check_symmetric(node, index)
    quantized_paths: list[str] = []
    floating: list[str] = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            path, is_quantized = _check_convolution(node, index)
            (quantized_paths if is_quantized else floating).append(path)
    if set(quantized_paths) != set(quantized):
        wrong = sorted(set(quantized_paths) ^ set(quantized))
        raise YoloqatError(
            f"the exported graph and the model quantize different convolutions: {', '.join(wrong)}",
            hint="This torch version exports unlike the tested ones; install one in pyproject.toml's range.",
        )
    return Structure(
        nodes=len(model.graph.node),
        qdq_pairs=sum(node.op_type == QUANTIZE for node in model.graph.node),
        convolutions=len(quantized_paths) + len(floating),
        quantized=tuple(quantized_paths),
        floating=tuple(floating),
        activation_scales=_check_one_scale_per_class(index),
    )


def _check_convolution(conv: NodeProto, index: Index) -> tuple[str, bool]:
    """Return the convolution's path and whether it is quantized; Q/DQ on only one of input and weight is an error."""
    weight = index.made_by(conv.input[1], DEQUANTIZE)
    parameter = conv.input[1]
    if weight is not None:
        quantize = index.made_by(weight.input[0], QUANTIZE)
        parameter = quantize.input[0] if quantize is not None else parameter
        scale = index.value(weight.input[1])
        channels = index.constants[parameter].dims[0] if parameter in index.constants else -1
        if scale.shape != (channels,):
            raise YoloqatError(f"{parameter}: {scale.size} scales for {channels} output channels")
        _check_bias(conv, index, scale)
    path = parameter.removesuffix(".weight")
    quantized_input = index.made_by(conv.input[0], DEQUANTIZE)
    if (weight is None) != (quantized_input is None):
        missing = "weight" if weight is None else "input"
        raise YoloqatError(f"{path} has no Q/DQ on its {missing} in the exported graph")
    return path, weight is not None


def _check_bias(conv: NodeProto, index: Index, weight_scale: np.ndarray) -> None:
    """Raise if the bias overflows int32, in which runtimes store it in units of input scale × weight scale."""
    source = index.made_by(conv.input[0], DEQUANTIZE)
    if source is None or len(conv.input) < 3:
        return
    units = np.abs(index.value(conv.input[2]).astype(np.float64)) / (weight_scale * index.value(source.input[1]))
    if units.max() >= 2**31:
        raise YoloqatError(
            f"{conv.input[2]}: the bias of channel {int(units.argmax())} does not fit into INT8's int32 sums",
            hint="Run `ptq` again: since calibration the weights of that channel have become almost zero.",
        )


def _check_symmetric(node: NodeProto, index: Index) -> None:
    """Raise unless a Q or DQ node has positive scales and the zero point 0."""
    scale, zero = index.value(node.input[1]), index.value(node.input[2])
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise YoloqatError(f"{node.name}: a scale is zero or not finite")
    if zero.dtype != np.int8 or zero.any():
        raise YoloqatError(f"{node.name}: the zero point must be 0 in int8, as TensorRT demands")


def _check_one_scale_per_class(index: Index) -> int:
    """Raise if a value class is quantized with two scales; return the number of classes with a scale."""
    root = value_classes(index)
    scales: dict[str, tuple[float, str]] = {}
    for node in index.graph.node:
        if node.op_type != QUANTIZE or node.input[0] in index.constants:
            continue
        scale = float(index.value(node.input[1]))
        first, first_node = scales.setdefault(root(node.input[0]), (scale, node.name))
        if first != scale:
            raise YoloqatError(
                f"{first_node} and {node.name} quantize the same values with scales {first:g} and {scale:g}"
            )
    return len(scales)
