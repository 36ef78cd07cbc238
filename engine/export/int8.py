"""Rewrite the Q/DQ file for TensorRT into an equivalent one that ONNX Runtime runs in int8 on CPUs.

ONNX Runtime fuses a convolution only if its output is quantized as well, folds ReLU only into unsigned quantization,
and keeps integers through concatenation, pooling and resizing only if Q/DQ stand on both sides. So activations are
quantized where they are produced instead of where they are read. Those that cannot be negative become uint8 with zero
point 0, clipped at 127: the same integers as int8's. Every value-preserving operator in between gets Q/DQ nodes.
Weights are stored as int8.

Without graph optimisation the result is equal bit for bit. The head's convolutions, whose output stays float, may
become matrix products (see `int8_head`); then the head's float sums may round differently.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper

from engine.contracts.options.int8 import Head
from engine.export.graph import DEQUANTIZE, QUANTIZE, VALUE_PRESERVING, Index, drop_unused, redirect, sort_nodes
from engine.export.int8_head import convert_head_to_products

_NEVER_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs"})
_LARGEST_CODE = 127
"""Of int8; and 127 · 128 · 2 fits into the int16 sums of CPUs without VNNI, where larger uint8 codes saturate."""


def to_runtime_int8(model: onnx.ModelProto, *, head: Head = "int8") -> onnx.ModelProto:
    """Return the rewritten copy of a file that `export_onnx` wrote.

    Args:
        model: with symmetric int8 Q/DQ on inputs and weights of its quantized convolutions, for images of 0 to 1;
            unchanged.
        head: `int8` turns the head's convolutions into matrix products; `float` leaves them float convolutions.
    """
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    _Rewriter(rewritten.graph, Index(rewritten.graph)).rewrite()
    _clean(rewritten)
    if head == "int8":
        convert_head_to_products(rewritten)
        _clean(rewritten)
    return rewritten


def _clean(model: onnx.ModelProto) -> None:
    drop_unused(model.graph)
    sort_nodes(model.graph)


def without_quantization(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the file with the same weights in float: the reference for the speed of a quantized file."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    index = Index(copy.graph)
    for node in list(copy.graph.node):
        if node.op_type == DEQUANTIZE:
            quantize = index.made_by(node.input[0], QUANTIZE)
            if quantize is not None:
                redirect(copy.graph, node.output[0], quantize.input[0])
    drop_unused(copy.graph)
    return copy


@dataclass
class _Rewriter:
    """Moves quantization from the readers of activations to their producers, in place."""

    graph: GraphProto
    index: Index
    _rounded_tensors: dict[tuple[str, str], str] = field(default_factory=dict)
    """Tensor and scale → the same tensor after Q and DQ."""
    _positive: dict[str, bool] = field(default_factory=dict)

    def rewrite(self) -> None:
        """Connect every quantized convolution to an input rounded at its source and to a weight stored as int8."""
        for conv in [node for node in self.graph.node if node.op_type == "Conv"]:
            source = self.index.made_by(conv.input[0], DEQUANTIZE)
            if source is None:
                continue
            quantize = self.index.producer[source.input[0]]
            conv.input[0] = self._rounded(quantize.input[0], quantize.input[1])
            conv.input[1] = self._store_weight(conv.input[1])

    def _rounded(self, tensor: str, scale: str) -> str:
        """Return the rounded copy of a float tensor, made of rounded inputs if its operator is value-preserving."""
        key = (tensor, scale)
        if key not in self._rounded_tensors:
            node = self.index.producer.get(tensor)
            is_copied = node is not None and node.op_type in VALUE_PRESERVING
            source = self._copy_operator(node, tensor, scale) if node is not None and is_copied else tensor
            self._rounded_tensors[key] = self._round(source, tensor, scale, clip=not is_copied)
        return self._rounded_tensors[key]

    def _copy_operator(self, node: NodeProto, tensor: str, scale: str) -> str:
        """Add a copy of a value-preserving operator that reads rounded inputs; return its output."""
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = f"{node.name}_int8"
        data = len(node.input) if node.op_type == "Concat" else 1
        for i in range(data):
            copy.input[i] = self._rounded(node.input[i], scale)
        for i, name in enumerate(node.output):
            copy.output[i] = f"{name}_int8_moved" if name else ""
        self._add(copy)
        return f"{tensor}_int8_moved"

    def _round(self, source: str, tensor: str, scale: str, *, clip: bool) -> str:
        """Add Q and DQ on `source`, named after `tensor`; unsigned if `tensor` cannot be negative."""
        unsigned = self._is_never_negative(tensor)
        zero = self._constant("int8_zero_u" if unsigned else "int8_zero_s", np.uint8(0) if unsigned else np.int8(0))
        codes, rounded = f"{tensor}_codes", f"{tensor}_rounded"
        self._add(helper.make_node(QUANTIZE, [source, scale, zero], [codes], f"{tensor}_q"))
        if clip and unsigned:
            least = self._constant("int8_zero_u", np.uint8(0))
            most = self._constant("int8_most", np.uint8(_LARGEST_CODE))
            self._add(helper.make_node("Clip", [codes, least, most], [f"{codes}_cut"], f"{tensor}_cut"))
            codes = f"{codes}_cut"
        self._add(helper.make_node(DEQUANTIZE, [codes, scale, zero], [rounded], f"{tensor}_dq"))
        return rounded

    def _is_never_negative(self, tensor: str) -> bool:
        """Return whether a tensor cannot be negative, by the operators it comes from."""
        if tensor not in self._positive:
            node = self.index.producer.get(tensor)
            if node is None:
                self._positive[tensor] = tensor not in self.index.constants  # the images
            elif node.op_type in VALUE_PRESERVING or node.op_type == "Add":
                data = node.input if node.op_type in ("Concat", "Add") else node.input[:1]
                self._positive[tensor] = all(self._is_never_negative(name) for name in data)
            else:
                self._positive[tensor] = node.op_type in _NEVER_NEGATIVE or self._is_clipped_at_zero(node)
        return self._positive[tensor]

    def _is_clipped_at_zero(self, node: NodeProto) -> bool:
        """Return whether the node is a Clip with a lower bound of at least 0, such as ReLU6."""
        if node.op_type != "Clip" or len(node.input) < 2 or node.input[1] not in self.index.constants:
            return False
        return bool(self.index.value(node.input[1]) >= 0)

    def _store_weight(self, name: str) -> str:
        """Store the weight as int8 behind its DequantizeLinear, rounded half to even as QuantizeLinear does."""
        dequantize = self.index.producer[name]
        quantize = self.index.producer[dequantize.input[0]]
        parameter = quantize.input[0]
        stored = f"{parameter}_int8"
        if stored not in self.index.constants:
            weight = self.index.value(parameter)
            scale = self.index.value(quantize.input[1]).reshape(-1, *[1] * (weight.ndim - 1))
            dequantize.input[0] = self._constant(stored, np.clip(np.rint(weight / scale), -128, 127).astype(np.int8))
        return name

    def _constant(self, name: str, value: np.ndarray | np.generic) -> str:
        """Add a constant unless it exists; return its name."""
        if name not in self.index.constants:
            tensor = numpy_helper.from_array(np.asarray(value), name)
            self.graph.initializer.append(tensor)
            self.index.constants[name] = tensor
        return name

    def _add(self, node: NodeProto) -> None:
        self.graph.node.append(node)
