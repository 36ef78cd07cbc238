"""Raw heads, and NMS inside the file: the same boxes as ours, quantized or not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.evaluate.nms import non_max_suppression
from engine.evaluate.onnx_outputs import DETECTIONS, NmsSettings
from engine.evaluate.predictors import OnnxPredictor
from engine.export.agreement import check_nms, compare, session
from engine.export.int8 import to_runtime_int8
from engine.export.metadata import describe, write_metadata
from engine.export.nms import Nms, add_nms
from engine.export.onnx_export import Heads, export_onnx, save_onnx
from engine.export.structure import check_structure
from engine.models.yolo import YoloModel
from engine.quant.quantizer import quantized_convolutions

SETTINGS = NmsSettings(score_threshold=0.2, iou_threshold=0.45, max_detections=20)


@pytest.fixture(autouse=True)
def sure(shallow: YoloModel) -> None:
    """Scores of which some are high, as a trained model's are."""
    with torch.no_grad():
        for conv in shallow.head.m:
            conv.weight.mul_(3)
            conv.bias.view(3, -1)[:, 4:] = 0.5


def exported(model: YoloModel, folder: Path, *, heads: Heads = "decoded", opset: int = 13) -> onnx.ModelProto:
    properties = describe(model, label="ONNX Q/DQ", image_size=64, data="", source_sha256="ab" * 32, heads=heads)
    return export_onnx(model, folder / f"{heads}.onnx", image_size=64, opset=opset, heads=heads, metadata=properties)


def ended(graph: onnx.ModelProto, path: Path, kind: Nms = "onnx", settings: NmsSettings = SETTINGS) -> Path:
    model = add_nms(graph, kind, settings)
    write_metadata(model, {"nms_settings": settings.to_text()})
    save_onnx(model, path)
    return path


def test_raw_heads_are_what_the_model_makes_and_decode_to_its_boxes(
    shallow_ptq: YoloModel, images: Tensor, tmp_path: Path
) -> None:
    graph = exported(shallow_ptq, tmp_path, heads="raw")
    assert [output.name for output in graph.graph.output] == ["raw_4", "raw_8"]
    assert set(check_structure(graph, list(quantized_convolutions(shallow_ptq))).floating) == {
        "model.8.m.0",
        "model.8.m.1",
    }
    raws = session(tmp_path / "raw.onnx", optimize=False).run(None, {"images": images.numpy()})
    with torch.no_grad():
        decoded, expected = shallow_ptq(images)
    for ours, theirs in zip(expected, raws, strict=True):
        assert torch.allclose(ours, torch.from_numpy(theirs), atol=1e-5)
    assert compare(shallow_ptq, tmp_path / "raw.onnx", [images]).relative < 1e-5
    assert torch.allclose(OnnxPredictor(tmp_path / "raw.onnx")(images), decoded, rtol=1e-2, atol=0.5)


@pytest.mark.parametrize("opset", [13, 18])
def test_nms_in_the_file_keeps_what_our_own_keeps(
    shallow_ptq: YoloModel, images: Tensor, tmp_path: Path, opset: int
) -> None:
    graph = exported(shallow_ptq, tmp_path, opset=opset)
    path = ended(graph, tmp_path / "nms.onnx")
    assert check_nms(path, tmp_path / "decoded.onnx", SETTINGS, [images[:1], images]) == 5 * 20, "all rows are used"
    few = NmsSettings(0.4, 0.45, 200)
    path = ended(graph, tmp_path / "nms.onnx", settings=few)
    assert 20 < check_nms(path, tmp_path / "decoded.onnx", few, [images[:1], images]) < 5 * 200
    with pytest.raises(YoloqatError, match="NMS gives other detections"):
        check_nms(path, tmp_path / "decoded.onnx", NmsSettings(0.4, 0.9, 200), [images])
    shapes = [output.shape for output in session(path, optimize=True).run(None, {"images": images.numpy()})]
    assert shapes == [(4, 1), (4, 200, 4), (4, 200), (4, 200)]


def test_nothing_over_the_threshold_is_no_detection(shallow_ptq: YoloModel, images: Tensor, tmp_path: Path) -> None:
    path = ended(exported(shallow_ptq, tmp_path), tmp_path / "nms.onnx", settings=NmsSettings(0.999, 0.45, 20))
    outputs = dict(zip(DETECTIONS, session(path, optimize=True).run(None, {"images": images.numpy()}), strict=True))
    assert not any(output.any() for output in outputs.values())
    assert [len(rows) for rows in OnnxPredictor(path).detect(images)] == [0, 0, 0, 0]


def test_one_class_scores_by_objectness_as_ours_does(shallow: YoloModel, images: Tensor, tmp_path: Path) -> None:
    graph = exported(shallow, tmp_path)
    decoded = torch.from_numpy(
        session(tmp_path / "decoded.onnx", optimize=False).run(None, {"images": images.numpy()})[0]
    )
    first = onnx.helper.make_node("Slice", ["both", "from", "to", "axis"], ["outputs"])
    for node in graph.graph.node:
        node.output[:] = ["both" if name == "outputs" else name for name in node.output]
    for name, value in (("from", 0), ("to", 6), ("axis", 2)):
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value], np.int64), name))
    graph.graph.node.append(first)
    graph.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 6
    path = ended(graph, tmp_path / "nms.onnx")
    expected = non_max_suppression(decoded[..., :6], 0.2, 0.45, multi_label=True, max_det=20)
    for ours, theirs in zip(expected, OnnxPredictor(path).detect(images), strict=True):
        assert len(ours) > 5
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-2)


def test_the_int8_rewrite_takes_both(shallow_ptq: YoloModel, images: Tensor, tmp_path: Path) -> None:
    for name, graph in (
        ("raw", exported(shallow_ptq, tmp_path, heads="raw")),
        ("nms", add_nms(exported(shallow_ptq, tmp_path), "onnx", SETTINGS)),
    ):
        save_onnx(graph, tmp_path / f"{name}.onnx")
        save_onnx(to_runtime_int8(graph), tmp_path / f"{name}.int8.onnx")
        feeds = {"images": images.numpy()}
        expected = session(tmp_path / f"{name}.onnx", optimize=False).run(None, feeds)
        got = session(tmp_path / f"{name}.int8.onnx", optimize=False).run(None, feeds)
        assert all(map(np.array_equal, expected, got)), name


def test_tensorrts_plugin_is_one_node_as_nvidia_describes_it(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    path = ended(exported(shallow_ptq, tmp_path), tmp_path / "trt.onnx", "efficientnms")
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "EfficientNMS_TRT")
    assert node.domain in {opset.domain for opset in model.opset_import}
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert attributes.pop("score_threshold") == pytest.approx(0.2)
    assert attributes.pop("iou_threshold") == pytest.approx(0.45)
    assert attributes == {
        "plugin_version": b"1",
        "max_output_boxes": 20,
        "background_class": -1,
        "score_activation": 0,
        "box_coding": 0,
    }
    assert [output.name for output in model.graph.output] == list(node.output) == list(DETECTIONS)
    assert set(check_structure(model, list(quantized_convolutions(shallow_ptq))).quantized) == {
        f"model.{i}.conv" for i in (0, 1, 4, 7)
    }
    with pytest.raises(YoloqatError, match="EfficientNMS plugin, which ONNX Runtime does not have"):
        OnnxPredictor(path)


def test_more_detections_than_candidates_are_refused(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    with pytest.raises(YoloqatError, match="--max-detections 3000: at this size the model has 1920 candidates"):
        add_nms(exported(shallow_ptq, tmp_path), "onnx", NmsSettings(0.2, 0.45, 3000))
