"""ONNX files as predictors: fixed and free batches, metadata, broken files."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from engine.contracts.errors import YoloqatError
from engine.evaluate.predictors import OnnxPredictor


def write_model(
    path: Path, batch: int | str, metadata: dict[str, str] | None = None, rank: int = 3, size: int | str = 4
) -> Path:
    """An ONNX file whose output is its input, reshaped to (batch, boxes, 8)."""
    shape = [0, -1, 8] if rank == 3 else [0, -1]
    target = helper.make_tensor("target", TensorProto.INT64, [len(shape)], shape)
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=target),
        helper.make_node("Reshape", ["images", "shape"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, size, size])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, None, 8][:rank])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("batch", ["batch", 1, 2, 4])
def test_any_number_of_images_goes_through(tmp_path: Path, batch: int | str) -> None:
    predictor = OnnxPredictor(write_model(tmp_path / "m.onnx", batch), threads=1)
    images = torch.rand(3, 3, 4, 4)
    np.testing.assert_array_equal(predictor(images), images.reshape(3, 6, 8))
    assert predictor.fixed_size == (4, 4)


@pytest.mark.parametrize("names", ['["cat", "dog"]', "{0: 'cat', 1: 'dog'}", '{"1": "dog", "0": "cat"}'])
def test_names_and_stride_come_from_the_metadata(tmp_path: Path, names: str) -> None:
    path = write_model(tmp_path / "m.onnx", "batch", {"names": names, "stride": "[8, 16, 32]"}, size="side")
    predictor = OnnxPredictor(path)
    assert predictor.names == ["cat", "dog"]
    assert predictor.stride == 32
    assert predictor.fixed_size is None


def test_metadata_that_make_no_sense_are_left_alone(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", "batch", {"names": "__import__('os')", "stride": "wide"})
    assert OnnxPredictor(path).names is None
    assert OnnxPredictor(path).stride is None


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\x08\x07\x12\x04torch"])
def test_a_broken_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(YoloqatError, match=r"broken\.onnx"):
        OnnxPredictor(path)


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", 1)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(YoloqatError, match="Export it again"):
        OnnxPredictor(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(YoloqatError, match="does not exist"):
        OnnxPredictor(tmp_path / "absent.onnx")


def test_a_classifier_is_no_detector(tmp_path: Path) -> None:
    with pytest.raises(YoloqatError, match="not a detector"):
        OnnxPredictor(write_model(tmp_path / "m.onnx", "batch", rank=2))
