"""Convert the head's 1×1 convolutions to matrix products, which ONNX Runtime runs in int8 with a float output.

ONNX Runtime has no int8 convolution with a float output, and would run the head's convolutions in float. A 1×1
convolution is a matrix product over channels, for which it has an int8 kernel (`MatMulIntegerToFloat`). The head moves
its channels to the last axis anyway, so its int8 input is transposed instead of its float output. Optimised, the sums
are exact integer sums. Without optimisation they are float sums of the same numbers, for some shapes in another order.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, helper, numpy_helper

from engine.export.graph import DEQUANTIZE, Index

_CHANNELS_LAST = [0, 2, 3, 1]
_TO_ANCHORS = [0, 1, 3, 4, 2]
"""(B, anchors, outputs, H, W) → (B, anchors, H, W, outputs), the head's transposition of a convolution's output."""
_FROM_PRODUCT = [0, 3, 1, 2, 4]
"""(B, H, W, anchors, outputs) → (B, anchors, H, W, outputs)."""
_DEFAULTS = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}


def convert_head_to_products(model: onnx.ModelProto) -> None:
    """Convert, in place, every convolution that the head reads; those of another form stay unchanged.

    Args:
        model: with Q/DQ on inputs and weights stored as int8, see `to_runtime_int8`. Afterwards its nodes are unsorted
            and include unused ones.
    """
    shapes = _shapes(model)
    index = Index(model.graph)
    for conv in [node for node in model.graph.node if node.op_type == "Conv"]:
        reshaping = _head_reshaping(index, conv)
        source, weight = (index.made_by(name, DEQUANTIZE) for name in conv.input[:2])
        if reshaping is None or source is None or weight is None or not _is_plain(conv) or len(conv.input) < 3:
            continue
        reshape, transpose = reshaping
        anchors, cells = _anchors(index, reshape), shapes.get(conv.output[0], [])[2:]
        are_constant = all(name in index.constants for name in (weight.input[0], conv.input[2]))
        if anchors and len(cells) == 2 and all(cells) and are_constant:
            _convert(model, index, conv, source, weight, transpose, [*cells, *anchors])


def _convert(
    model: onnx.ModelProto,
    index: Index,
    conv: NodeProto,
    source: NodeProto,
    weight: NodeProto,
    transpose: NodeProto,
    split: Sequence[int],
) -> None:
    """Replace one convolution by transposition, matrix product, reshaping and bias.

    Args:
        model: changed in place.
        index: of the model's graph.
        conv: the convolution.
        source: DequantizeLinear of its input.
        weight: DequantizeLinear of its weight.
        transpose: the head's transposition behind it.
        split: H, W, anchors and outputs per anchor.
    """
    name = conv.name or conv.output[0]
    matrix = index.value(weight.input[0])
    stored = np.ascontiguousarray(matrix.reshape(matrix.shape[0], -1).T)
    shape = np.array([0, *split], np.int64)  # 0 keeps the batch, open or fixed
    bias = index.value(conv.input[2]).reshape(split[2:])
    for suffix, value in (("weight", stored), ("shape", shape), ("bias", bias)):
        model.graph.initializer.append(numpy_helper.from_array(value, f"{name}_{suffix}"))
    model.graph.node.extend(
        [
            helper.make_node("Transpose", [source.input[0]], [f"{name}_last"], f"{name}_last", perm=_CHANNELS_LAST),
            helper.make_node(DEQUANTIZE, [f"{name}_last", *source.input[1:]], [f"{name}_input"], f"{name}_input"),
            helper.make_node(
                DEQUANTIZE, [f"{name}_weight", *weight.input[1:]], [f"{name}_matrix"], f"{name}_matrix", axis=1
            ),
            helper.make_node("MatMul", [f"{name}_input", f"{name}_matrix"], [f"{name}_product"], f"{name}_product"),
            # Reshape before adding the bias: ONNX Runtime fuses a product and an addition next to each other into a
            # float Gemm if the batch size is fixed.
            helper.make_node("Reshape", [f"{name}_product", f"{name}_shape"], [f"{name}_split"], f"{name}_split"),
            helper.make_node("Add", [f"{name}_split", f"{name}_bias"], [f"{name}_sum"], f"{name}_sum"),
        ]
    )
    transpose.input[0] = f"{name}_sum"
    transpose.attribute[0].CopyFrom(helper.make_attribute("perm", _FROM_PRODUCT))


def _head_reshaping(index: Index, conv: NodeProto) -> tuple[NodeProto, NodeProto] | None:
    """Return the head's Reshape and Transpose behind a convolution; None if others read its values."""
    readers = [node for node in index.consumers.get(conv.output[0], []) if node.op_type != "Shape"]
    if len(readers) != 1 or readers[0].op_type != "Reshape":
        return None
    transposes = index.consumers.get(readers[0].output[0], [])
    if len(transposes) != 1 or transposes[0].op_type != "Transpose":
        return None
    is_head = list(_attributes(transposes[0]).get("perm", [])) == _TO_ANCHORS
    return (readers[0], transposes[0]) if is_head else None


def _anchors(index: Index, reshape: NodeProto) -> list[int]:
    """Return [anchors, outputs per anchor] of a Reshape to (B, anchors, outputs, H, W); [] if it is another one."""
    if reshape.input[1] in index.constants:  # fixed batch size
        sizes = index.value(reshape.input[1]).tolist()
        return sizes[1:3] if len(sizes) == 5 else []
    shape = index.made_by(reshape.input[1], "Concat")
    names = list(shape.input) if shape is not None else []
    if len(names) != 5 or not all(name in index.constants for name in names[1:3]):
        return []
    return [int(index.value(name).item()) for name in names[1:3]]


def _is_plain(conv: NodeProto) -> bool:
    """Return whether a convolution is 1×1 with stride 1, without padding and groups."""
    attributes = _attributes(conv)
    return (
        all(attributes.get(key, default) == default for key, default in _DEFAULTS.items())
        and "auto_pad" not in attributes
    )


def _attributes(node: NodeProto) -> Mapping[str, object]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute if a.type != AttributeProto.GRAPH}


def _shapes(model: onnx.ModelProto) -> Mapping[str, list[int]]:
    """Return tensor name → shape; 0 for an unknown dimension (the batch)."""
    inferred = onnx.shape_inference.infer_shapes(model)
    return {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in inferred.graph.value_info}
