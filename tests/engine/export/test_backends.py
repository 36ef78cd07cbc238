"""The file does not show which library has quantized the model, but in its metadata."""

import copy
import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from engine.export.onnx_export import export_onnx
from engine.export.structure import check_structure
from engine.models.yolo import YoloModel
from engine.quant.backends import MODULES
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.quantizer import quantized_convolutions
from engine.quant.state import quantize_model


@pytest.mark.skipif(importlib.util.find_spec("modelopt") is None, reason="needs yoloqat[modelopt]")
@pytest.mark.slow
def test_both_backends_write_the_same_graph_with_the_same_constants(
    shallow: YoloModel, images: torch.Tensor, tmp_path: Path
) -> None:
    graphs = []
    for backend in MODULES:
        model = copy.deepcopy(shallow)
        quantize_model(model, backend=backend)
        set_ranges(model, collect(model, [images]), "mse")
        file = export_onnx(model, tmp_path / f"{backend}.onnx", image_size=64)
        assert len(check_structure(file, quantized_convolutions(model)).quantized) == len(quantized_convolutions(model))
        graphs.append(file.graph)
    ours, theirs = graphs
    assert [node.op_type for node in ours.node] == [node.op_type for node in theirs.node]
    assert values(ours) == values(theirs)


def values(graph: onnx.GraphProto) -> list[tuple[str, tuple[int, ...], bytes] | None]:
    """Of every input of every node: its value where it is a constant."""
    constants = {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    found = [constants.get(name) for node in graph.node for name in node.input]
    return [None if value is None else (str(value.dtype), value.shape, value.tobytes()) for value in found]
