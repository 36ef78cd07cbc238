"""The file says what the model says, and an export that fails leaves what was there."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.export.agreement import check_agreement, compare
from engine.export.graph import Index
from engine.export.int8 import to_runtime_int8
from engine.export.metadata import describe, read_metadata
from engine.export.onnx_export import export_onnx
from engine.export.structure import check_structure
from engine.models.yolo import YoloModel
from engine.quant.backends.pytorch_quantization_import import TensorQuantizer
from engine.quant.quantizer import quantized_convolutions


def test_every_quantized_convolution_has_qdq_on_input_and_weight(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    model = export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    structure = check_structure(model, list(quantized_convolutions(shallow_ptq)))
    assert set(structure.quantized) == {f"model.{i}.conv" for i in (0, 1, 4, 7)}
    assert set(structure.floating) == {"model.8.m.0", "model.8.m.1"}
    # Tensors: image; layer 0; layer 3; layer 6. The last three and their parts share one scale.
    assert structure.activation_scales == 2
    assert structure.qdq_pairs == 4 + 4
    assert [opset.version for opset in model.opset_import if not opset.domain] == [13]


def test_one_file_takes_any_batch_size_and_agrees_with_pytorch(
    shallow_ptq: YoloModel, images: Tensor, tmp_path: Path
) -> None:
    export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    agreement = compare(shallow_ptq, tmp_path / "model.onnx", [images[:1], images])
    assert agreement.images == 5
    assert agreement.relative < 1e-5
    check_agreement(agreement, 1e-5)
    with pytest.raises(YoloqatError, match="differs from PyTorch"):
        check_agreement(agreement, agreement.relative / 2)


def test_a_float_model_exports_without_qdq(shallow: YoloModel, images: Tensor, tmp_path: Path) -> None:
    model = export_onnx(shallow, tmp_path / "model.onnx", image_size=64, opset=17, dynamic_batch=False)
    structure = check_structure(model, [])
    assert (structure.qdq_pairs, structure.convolutions, structure.quantized) == (0, 6, ())
    assert compare(shallow, tmp_path / "model.onnx", [images[:1]]).relative < 1e-6


def test_metadata_names_what_is_needed_to_use_the_file(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    from engine.evaluate.predictors import OnnxPredictor

    properties = describe(shallow_ptq, label="ONNX Q/DQ", image_size=64, data="shapes.yaml", source_sha256="ab" * 32)
    assert properties["activation"] == "relu"
    export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64, metadata=properties)
    assert read_metadata(onnx.load(tmp_path / "model.onnx")) == properties
    predictor = OnnxPredictor(tmp_path / "model.onnx")
    assert predictor.names == ["square", "disc"]
    assert predictor.stride == 8
    assert predictor.fixed_size == (64, 64)
    assert predictor(torch.rand(3, 3, 64, 64)).shape[0] == 3


def test_an_interrupted_export_leaves_the_previous_file_and_the_librarys_switch(
    shallow_ptq: YoloModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the previous file")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_onnx(shallow_ptq, path, image_size=64, check=interrupt)
    monkeypatch.setattr(torch.onnx, "export", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_onnx(shallow_ptq, path, image_size=64)
    assert path.read_bytes() == b"the previous file"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
    assert TensorQuantizer.use_fb_fake_quant is False


def test_the_export_does_not_change_the_model(shallow_ptq: YoloModel, images: Tensor, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in shallow_ptq.state_dict().items()}
    trainable = [parameter.requires_grad for parameter in shallow_ptq.parameters()]
    export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    assert all(torch.equal(before[name], value) for name, value in shallow_ptq.state_dict().items())
    assert [parameter.requires_grad for parameter in shallow_ptq.parameters()] == trainable


def test_narrow_activations_cannot_be_written(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    quantized_convolutions(shallow_ptq)["model.1.conv"]._input_quantizer.num_bits = 4
    with pytest.raises(
        YoloqatError, match=r"cannot express inputs of fewer than 8 bits: model\.1\.conv \(4 bits\), "
    ) as caught:
        export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    assert "--layer-bits" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_narrow_weights_are_written_as_int8_that_uses_fewer_values(
    shallow_ptq: YoloModel, images: Tensor, tmp_path: Path
) -> None:
    conv = quantized_convolutions(shallow_ptq)["model.1.conv"]
    conv._weight_quantizer.num_bits = 4
    before = conv.weight.clone()
    graph = export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    assert compare(shallow_ptq, tmp_path / "model.onnx", [images]).relative < 1e-5
    assert torch.equal(conv.weight, before)
    assert conv._weight_quantizer.num_bits == 4
    rewritten = to_runtime_int8(graph)
    onnx.save(rewritten, tmp_path / "int8.onnx")
    weights = [onnx.numpy_helper.to_array(value) for value in rewritten.graph.initializer]
    codes = [value for value in weights if value.dtype == np.int8 and value.shape == tuple(conv.weight.shape)]
    assert any(np.abs(value.astype(int)).max() == 7 for value in codes)


def _quantizers(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    index = Index(model.graph)
    return [n for n in model.graph.node if n.op_type == "QuantizeLinear" and n.input[0] not in index.constants]


def _with_constant(model: onnx.ModelProto, node: onnx.NodeProto, position: int, value: np.ndarray) -> None:
    """Give a Q node and its DQ another scale or zero point."""
    name = f"changed_{position}"
    model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    for other in model.graph.node:
        if other is node or other.input[0] == node.output[0]:
            other.input[position] = name


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (1, np.array(0.5, np.float32), "quantize the same values with scales"),
        (1, np.array(0.0, np.float32), "zero or not finite"),
        (2, np.array(3, np.int8), "zero point"),
    ],
)
def test_what_an_int8_runtime_would_reject_is_found(
    shallow_ptq: YoloModel, tmp_path: Path, position: int, value: np.ndarray, message: str
) -> None:
    model = export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    _with_constant(model, _quantizers(model)[-1], position, value)
    with pytest.raises(YoloqatError, match=message):
        check_structure(model, list(quantized_convolutions(shallow_ptq)))


def test_a_convolution_that_lost_its_qdq_is_named(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    model = export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    quantized = list(quantized_convolutions(shallow_ptq))
    with pytest.raises(YoloqatError, match=r"model\.8\.m\.0"):
        check_structure(model, [*quantized, "model.8.m.0"])
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.input[0] = "images"
    with pytest.raises(YoloqatError, match=r"model\.0\.conv has no Q/DQ on its input"):
        check_structure(model, quantized)


def test_a_bias_that_overflows_is_found(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    conv = quantized_convolutions(shallow_ptq)["model.4.conv"]
    with torch.no_grad():
        conv.weight[3] = 0
        conv.bias[3] = 0.5
    conv._weight_quantizer._amax[3] = 1e-12
    model = export_onnx(shallow_ptq, tmp_path / "model.onnx", image_size=64)
    with pytest.raises(YoloqatError, match="bias of channel 3 does not fit"):
        check_structure(model, list(quantized_convolutions(shallow_ptq)))
