"""The head's 1×1 convolutions as matrix products, which ONNX Runtime runs in int8 with a float output.

ONNX Runtime has no int8 convolution whose output stays float, and would run the head's in float. A 1×1 convolution is a
matrix product over channels, and for that it has one (`MatMulIntegerToFloat`). The head moves its channels to the end
anyway, so what goes in is turned, in int8, in the place of what comes out. Optimised, the sums are of integers, exact.
Without optimisation they are float sums, of the same numbers, which for some shapes are added in another order.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, helper, numpy_helper

from engine.export.graph import DEQUANTIZE, Index

_CHANNELS_LAST = [0, 2, 3, 1]
_TO_ANCHORS = [0, 1, 3, 4, 2]
"""(B, anchors, outputs, H, W) → (B, anchors, H, W, outputs), as the head turns what a convolution puts out."""
_FROM_PRODUCT = [0, 3, 1, 2, 4]
"""(B, H, W, anchors, outputs) → the same."""
_PLAIN = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0, 0, 0, 0], "dilations": [1, 1], "group": 1}


def turn_head_into_products(model: onnx.ModelProto) -> None:
    """Rewrite, in place, every convolution that the head reads; those that it does not fit stay as they are.

    Args:
        model: with Q/DQ on inputs and stored integers as weights, see `to_runtime_int8`. Its nodes are not in order
            afterwards, and those that lead nowhere are still there.
    """
    shapes = _shapes(model)
    index = Index(model.graph)
    for conv in [node for node in model.graph.node if node.op_type == "Conv"]:
        turns = _head_turns(index, conv)
        source, weight = (index.made_by(name, DEQUANTIZE) for name in conv.input[:2])
        if turns is None or source is None or weight is None or not _is_plain(conv) or len(conv.input) < 3:
            continue
        reshape, transpose = turns
        anchors, cells = _anchors(index, reshape), shapes.get(conv.output[0], [])[2:]
        is_known = all(name in index.constants for name in (weight.input[0], conv.input[2]))
        if anchors and len(cells) == 2 and all(cells) and is_known:
            _turn(model, index, conv, source, weight, transpose, [*cells, *anchors])


def _turn(
    model: onnx.ModelProto,
    index: Index,
    conv: NodeProto,
    source: NodeProto,
    weight: NodeProto,
    transpose: NodeProto,
    split: Sequence[int],
) -> None:
    """`split`: H, W, anchors, outputs."""
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
            # Split before the bias is added: of a product and an addition next to each other, ONNX Runtime makes a
            # float Gemm where it knows the batch.
            helper.make_node("Reshape", [f"{name}_product", f"{name}_shape"], [f"{name}_split"], f"{name}_split"),
            helper.make_node("Add", [f"{name}_split", f"{name}_bias"], [f"{name}_sum"], f"{name}_sum"),
        ]
    )
    transpose.input[0] = f"{name}_sum"
    transpose.attribute[0].CopyFrom(helper.make_attribute("perm", _FROM_PRODUCT))


def _head_turns(index: Index, conv: NodeProto) -> tuple[NodeProto, NodeProto] | None:
    """Reshape and transposition behind a convolution of the head, where nothing else reads its values."""
    readers = [node for node in index.consumers.get(conv.output[0], []) if node.op_type != "Shape"]
    if len(readers) != 1 or readers[0].op_type != "Reshape":
        return None
    turned = index.consumers.get(readers[0].output[0], [])
    if len(turned) != 1 or turned[0].op_type != "Transpose":
        return None
    is_head = list(_attributes(turned[0]).get("perm", [])) == _TO_ANCHORS
    return (readers[0], turned[0]) if is_head else None


def _anchors(index: Index, reshape: NodeProto) -> list[int]:
    """Anchors, and outputs of each, into which a reshaping to (B, anchors, outputs, H, W) splits channels."""
    if reshape.input[1] in index.constants:  # of a file with a fixed batch
        sizes = index.value(reshape.input[1]).tolist()
        return sizes[1:3] if len(sizes) == 5 else []
    shape = index.made_by(reshape.input[1], "Concat")
    names = list(shape.input) if shape is not None else []
    if len(names) != 5 or not all(name in index.constants for name in names[1:3]):
        return []
    return [int(index.value(name).item()) for name in names[1:3]]


def _is_plain(conv: NodeProto) -> bool:
    given = _attributes(conv)
    return all(given.get(key, usual) == usual for key, usual in _PLAIN.items()) and "auto_pad" not in given


def _attributes(node: NodeProto) -> Mapping[str, object]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute if a.type != AttributeProto.GRAPH}


def _shapes(model: onnx.ModelProto) -> Mapping[str, list[int]]:
    """Sizes of every tensor; 0 where one is not known (the batch)."""
    inferred = onnx.shape_inference.infer_shapes(model)
    return {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in inferred.graph.value_info}
