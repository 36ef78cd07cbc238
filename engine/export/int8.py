"""The Q/DQ file for TensorRT → an equal file that ONNX Runtime runs in int8 on CPUs.

ONNX Runtime fuses a convolution only where its output is quantized as well, folds ReLU only into unsigned quantization,
and moves integers through concatenation, pooling and resizing only where Q/DQ stand on both sides. So activations are
quantized where they are made, not where they are read; those that cannot be negative as uint8 with zero point 0, cut
off at 127, which are the same integers as int8's; and every value-preserving operator between is given Q/DQ of its own.
Without graph optimisation the result is equal bit for bit. The head's own convolutions, whose output stays float, may
become matrix products (see `int8_head`): then its last float sums may round differently. Weights are stored as the int8
numbers that they become.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper

from engine.contracts.options.int8 import Head
from engine.export.graph import DEQUANTIZE, QUANTIZE, Index, drop_unused, redirect, sort
from engine.export.int8_head import turn_head_into_products

_MOVES = frozenset({"Concat", "MaxPool", "Resize", "Slice", "Split", "Reshape", "Transpose", "Identity"})
"""Operators that a CPU runtime moves integers through."""
_NEVER_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs"})
_LARGEST_CODE = 127
"""Of int8; and 127 · 128 · 2 fits into the int16 sums of CPUs without VNNI."""


def to_runtime_int8(model: onnx.ModelProto, *, head: Head = "int8") -> onnx.ModelProto:
    """Rewrite a file of `export_onnx`.

    Args:
        model: symmetric int8 Q/DQ on the inputs and weights of its quantized convolutions; it is left as it is. Its
            images must lie in 0 to 1.
        head: `int8` takes its own convolutions as matrix products; `float` leaves them float convolutions.
    """
    rewritten = onnx.ModelProto()
    rewritten.CopyFrom(model)
    _Rewriter(rewritten.graph, Index(rewritten.graph)).rewrite()
    _clean(rewritten)
    if head == "int8":
        turn_head_into_products(rewritten)
        _clean(rewritten)
    return rewritten


def _clean(model: onnx.ModelProto) -> None:
    drop_unused(model.graph)
    sort(model.graph)


def without_quantization(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same weights in float: what the speed of a quantized file is measured against."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    index = Index(twin.graph)
    for node in list(twin.graph.node):
        if node.op_type == DEQUANTIZE:
            quantize = index.made_by(node.input[0], QUANTIZE)
            if quantize is not None:
                redirect(twin.graph, node.output[0], quantize.input[0])
    drop_unused(twin.graph)
    return twin


@dataclass
class _Rewriter:
    graph: GraphProto
    index: Index
    _dequantized: dict[tuple[str, str], str] = field(default_factory=dict)
    """Tensor and scale → the tensor that has gone through Q and DQ."""
    _positive: dict[str, bool] = field(default_factory=dict)

    def rewrite(self) -> None:
        """Redirect every quantized convolution to rounded inputs made at their source, and to stored integers."""
        for conv in [node for node in self.graph.node if node.op_type == "Conv"]:
            source = self.index.made_by(conv.input[0], DEQUANTIZE)
            if source is None:
                continue
            quantize = self.index.producer[source.input[0]]
            conv.input[0] = self._through(quantize.input[0], quantize.input[1])
            conv.input[1] = self._stored_weight(conv.input[1])

    def _through(self, tensor: str, scale: str) -> str:
        """The rounded twin of a float tensor, made of the rounded twins of what it is moved from."""
        key = (tensor, scale)
        if key not in self._dequantized:
            node = self.index.producer.get(tensor)
            moved = node is not None and node.op_type in _MOVES
            source = self._move(node, tensor, scale) if node is not None and moved else tensor
            self._dequantized[key] = self._round(source, tensor, scale, cut=not moved)
        return self._dequantized[key]

    def _move(self, node: NodeProto, tensor: str, scale: str) -> str:
        twin = NodeProto()
        twin.CopyFrom(node)
        twin.name = f"{node.name}_int8"
        data = len(node.input) if node.op_type == "Concat" else 1
        for i in range(data):
            twin.input[i] = self._through(node.input[i], scale)
        for i, name in enumerate(node.output):
            twin.output[i] = f"{name}_int8_moved" if name else ""
        self._add(twin)
        return f"{tensor}_int8_moved"

    def _round(self, source: str, tensor: str, scale: str, *, cut: bool) -> str:
        """Q and DQ on `source`, named after `tensor`; unsigned where `tensor` cannot be negative."""
        unsigned = self._never_negative(tensor)
        zero = self._constant("int8_zero_u" if unsigned else "int8_zero_s", np.uint8(0) if unsigned else np.int8(0))
        codes, rounded = f"{tensor}_codes", f"{tensor}_rounded"
        self._add(helper.make_node(QUANTIZE, [source, scale, zero], [codes], f"{tensor}_q"))
        if cut and unsigned:
            least = self._constant("int8_zero_u", np.uint8(0))
            most = self._constant("int8_most", np.uint8(_LARGEST_CODE))
            self._add(helper.make_node("Clip", [codes, least, most], [f"{codes}_cut"], f"{tensor}_cut"))
            codes = f"{codes}_cut"
        self._add(helper.make_node(DEQUANTIZE, [codes, scale, zero], [rounded], f"{tensor}_dq"))
        return rounded

    def _never_negative(self, tensor: str) -> bool:
        if tensor not in self._positive:
            node = self.index.producer.get(tensor)
            if node is None:
                self._positive[tensor] = tensor not in self.index.constants  # the images
            elif node.op_type in _MOVES or node.op_type == "Add":
                data = node.input if node.op_type in ("Concat", "Add") else node.input[:1]
                self._positive[tensor] = all(self._never_negative(name) for name in data)
            else:
                self._positive[tensor] = node.op_type in _NEVER_NEGATIVE or self._clipped_at_zero(node)
        return self._positive[tensor]

    def _clipped_at_zero(self, node: NodeProto) -> bool:
        """ReLU6."""
        if node.op_type != "Clip" or len(node.input) < 2 or node.input[1] not in self.index.constants:
            return False
        return bool(self.index.value(node.input[1]) >= 0)

    def _stored_weight(self, name: str) -> str:
        """The weight as int8 behind a DequantizeLinear, rounded half to even as QuantizeLinear does."""
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
        if name not in self.index.constants:
            tensor = numpy_helper.from_array(np.asarray(value), name)
            self.graph.initializer.append(tensor)
            self.index.constants[name] = tensor
        return name

    def _add(self, node: NodeProto) -> None:
        self.graph.node.append(node)
