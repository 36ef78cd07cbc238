"""Query and simplify ONNX graphs."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, numpy_helper

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
VALUE_PRESERVING = frozenset({"Concat", "MaxPool", "Resize", "Slice", "Split", "Reshape", "Transpose", "Identity"})
"""Operators that only copy values from their inputs (Resize: nearest-neighbour, the only mode our models use)."""


@dataclass
class Index:
    """Producer and consumers of each tensor of a graph, and the constants, by name."""

    graph: GraphProto
    producer: dict[str, NodeProto] = field(default_factory=dict)
    consumers: dict[str, list[NodeProto]] = field(default_factory=dict)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.constants.update((tensor.name, tensor) for tensor in self.graph.initializer)
        for node in self.graph.node:
            if node.op_type == "Constant":
                self.constants.update(
                    (node.output[0], attribute.t) for attribute in node.attribute if attribute.name == "value"
                )
            for name in node.output:
                self.producer[name] = node
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def value(self, name: str) -> np.ndarray:
        """Return the value of a constant."""
        return numpy_helper.to_array(self.constants[name])

    def made_by(self, name: str, operator: str) -> NodeProto | None:
        """Return the node that produces `name` if it is an `operator`, else None."""
        node = self.producer.get(name)
        return node if node is not None and node.op_type == operator else None


def tidy(model: onnx.ModelProto, prefix: str) -> None:
    """Name parameters by their paths in the model, and merge equal scales and equal Q/DQ nodes.

    The exporter writes a scale per call of a quantizer and a Q/DQ pair per convolution that reads a tensor, so that
    runtimes would quantize that tensor once per reader. It also writes float-to-float casts from the quantizer's code,
    for all other readers of its input.

    Args:
        model: changed in place.
        prefix: text that the exporter puts before each parameter's path.
    """
    _unshare_equal_parameters(model.graph)
    for name in [tensor.name for tensor in model.graph.initializer]:
        if name.startswith(prefix):
            _rename(model.graph, name, name.removeprefix(prefix))
    _constants_to_initializers(model.graph)
    _drop_redundant_casts(model)
    _share_quantization_constants(model.graph)
    _merge_equal_nodes(model.graph, {QUANTIZE, DEQUANTIZE})


def value_classes(index: Index) -> Callable[[str], str]:
    """Return a function from a tensor's name to the representative of its value class (see `engine.quant.placement`).

    Value-preserving operators, Q → DQ, and additions of two computed tensors put their tensors into one class.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for node in index.graph.node:
        joins = node.op_type in VALUE_PRESERVING or node.op_type in (QUANTIZE, DEQUANTIZE)
        if node.op_type == "Add":
            joins = not any(name in index.constants for name in node.input)
        if not joins:
            continue
        inputs = list(node.input) if node.op_type in ("Concat", "Add") else [node.input[0]]
        data = [name for name in [*inputs, *node.output] if name and name not in index.constants]
        for other in data[1:]:
            parent[root(other)] = root(data[0])
    return root


def _unshare_equal_parameters(graph: GraphProto) -> None:
    """Undo the exporter's sharing of equal parameters (such as all-zero biases), which loses their names."""
    parameters = {tensor.name: tensor for tensor in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "Identity" and n.input[0] in parameters]:
        tensor = TensorProto()
        tensor.CopyFrom(parameters[node.input[0]])
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


def _rename(graph: GraphProto, old: str, new: str) -> None:
    for tensor in graph.initializer:
        if tensor.name == old:
            tensor.name = new
    redirect(graph, old, new)


def redirect(graph: GraphProto, old: str, new: str) -> None:
    """Make all consumers of tensor `old` read `new`."""
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


def _constants_to_initializers(graph: GraphProto) -> None:
    """Turn Constant nodes into initializers, as weights are."""
    for node in [n for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]:
        tensor = TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


def _drop_redundant_casts(model: onnx.ModelProto) -> None:
    """Remove casts to the type that the tensor already has."""
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    if not casts:
        return
    typed = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in [*typed.value_info, *typed.input]}
    outputs = {output.name for output in model.graph.output}
    for node in casts:
        if types.get(node.input[0]) == node.attribute[0].i and node.output[0] not in outputs:
            redirect(model.graph, node.output[0], node.input[0])
            model.graph.node.remove(node)


def _share_quantization_constants(graph: GraphProto) -> None:
    """Merge equal scales and equal zero points of Q/DQ nodes."""
    first: dict[bytes, str] = {}
    names = {name for node in graph.node if node.op_type in (QUANTIZE, DEQUANTIZE) for name in node.input[1:]}
    replaced: dict[str, str] = {}
    for tensor in [t for t in graph.initializer if t.name in names]:
        key = numpy_helper.to_array(tensor)
        content = f"{key.dtype}{key.shape}".encode() + key.tobytes()
        representative = first.setdefault(content, tensor.name)
        if representative != tensor.name:
            replaced[tensor.name] = representative
            graph.initializer.remove(tensor)
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name in replaced:
                node.input[i] = replaced[name]


def _merge_equal_nodes(graph: GraphProto, operators: set[str]) -> None:
    """Merge nodes with the same operator, inputs and attributes into one."""
    first: dict[tuple[object, ...], NodeProto] = {}
    for node in list(graph.node):
        if node.op_type not in operators:
            continue
        attributes = tuple(sorted(attribute.SerializeToString() for attribute in node.attribute))
        representative = first.setdefault((node.op_type, tuple(node.input), attributes), node)
        if representative is not node:
            redirect(graph, node.output[0], representative.output[0])
            graph.node.remove(node)


def drop_unused(graph: GraphProto) -> None:
    """Remove nodes and constants that no output depends on."""
    producers = {name: node for node in graph.node for name in node.output}
    needed = {output.name for output in graph.output}
    open_ends = list(needed)
    while open_ends:
        node = producers.get(open_ends.pop())
        new = [name for name in node.input if name not in needed] if node is not None else []
        needed.update(new)
        open_ends += new
    for node in [node for node in graph.node if needed.isdisjoint(node.output)]:
        graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in needed]:
        graph.initializer.remove(tensor)
    del graph.value_info[:]


def sort_nodes(graph: GraphProto) -> None:
    """Sort the nodes topologically, as ONNX requires."""
    available = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input} | {""}
    waiting = list(graph.node)
    ordered: list[NodeProto] = []
    while waiting:
        ready = [node for node in waiting if available.issuperset(node.input)]
        if not ready:
            raise ValueError(f"no node produces an input of {waiting[0].name}")
        available.update(name for node in ready for name in node.output)
        ordered += ready
        done = {id(node) for node in ready}
        waiting = [node for node in waiting if id(node) not in done]
    copies = [copy.deepcopy(node) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)
