"""The file for ONNX Runtime computes what the file for TensorRT computes, and runs in int8."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from engine.export.agreement import session
from engine.export.coverage import int8_coverage
from engine.export.int8 import to_runtime_int8, without_quantization
from engine.export.onnx_export import export_onnx
from engine.models.yolo import YoloModel
from engine.quant.calibration.calibrate import collect, round_biases, set_ranges
from engine.quant.quantizer import set_quantization
from engine.quant.state import quantize_model


def run(path: Path, images: torch.Tensor, *, optimize: bool = False) -> np.ndarray:
    outputs: np.ndarray = session(path, optimize=optimize).run(None, {"images": images.numpy()})[0]
    return outputs


def saved(model: onnx.ModelProto, path: Path) -> Path:
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("calibrator", ["max", "mse"])
@pytest.mark.parametrize("keep_float", [[r"model\.8\.m\..*"], ["none"], [r"model\.[04]\.conv"]])
def test_the_file_is_equal_bit_for_bit(
    shallow: YoloModel, images: torch.Tensor, tmp_path: Path, keep_float: list[str], calibrator: str
) -> None:
    quantize_model(shallow, keep_float)
    # Ranges from darker images: brighter ones leave them, and must be cut off at the same code.
    set_ranges(shallow, collect(shallow, [images * 0.7]), calibrator)
    qdq = export_onnx(shallow, tmp_path / "qdq.onnx", image_size=64)
    int8 = saved(to_runtime_int8(qdq, head="float"), tmp_path / "int8.onnx")
    expected = run(tmp_path / "qdq.onnx", images)
    assert np.array_equal(run(int8, images), expected)
    assert np.array_equal(run(int8, images[:1]), run(tmp_path / "qdq.onnx", images[:1])), "a batch of one"
    optimised = run(int8, images, optimize=True)
    assert np.linalg.norm(optimised - expected) / np.linalg.norm(expected) < 0.02


def test_the_plain_file_runs_in_float_and_the_rewritten_one_in_int8(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    qdq = export_onnx(shallow_ptq, tmp_path / "qdq.onnx", image_size=64)
    int8 = saved(to_runtime_int8(qdq), tmp_path / "int8.onnx")
    plain, ours = int8_coverage(tmp_path / "qdq.onnx"), int8_coverage(int8)
    assert plain.convolutions == ours.convolutions == 6
    assert plain.int8 == 0
    # The one before the head's float convolutions has nothing after it that would take integers.
    assert ours.int8 >= 2
    assert ours.operators["QLinearConcat"] == 2


@pytest.mark.parametrize("heads", ["decoded", "raw"])
@pytest.mark.parametrize("dynamic", [True, False])
def test_with_nothing_kept_float_the_head_runs_in_int8_too(
    shallow: YoloModel, images: torch.Tensor, tmp_path: Path, heads: str, dynamic: bool
) -> None:
    quantize_model(shallow, ["none"])
    set_ranges(shallow, collect(shallow, [images]), "max")
    qdq = export_onnx(shallow, tmp_path / "qdq.onnx", image_size=64, heads=heads, dynamic_batch=dynamic)
    int8 = saved(to_runtime_int8(qdq), tmp_path / "int8.onnx")
    coverage = int8_coverage(int8)
    assert (coverage.int8, coverage.convolutions) == (6, 6)
    assert coverage.operators["MatMulIntegerToFloat"] == 2
    exact = saved(to_runtime_int8(qdq, head="float"), tmp_path / "exact.onnx")
    assert int8_coverage(exact).int8 == 4
    for batch in (images, images[:1]) if dynamic else (images[:1],):
        expected = run(tmp_path / "qdq.onnx", batch)
        assert np.array_equal(run(exact, batch), expected)
        assert np.abs(run(int8, batch) - expected).max() <= 1e-6 * np.abs(expected).max()


def test_negative_activations_stay_signed(shallow: YoloModel, images: torch.Tensor, tmp_path: Path) -> None:
    for module in shallow.modules():
        if isinstance(getattr(module, "act", None), torch.nn.ReLU):
            module.act = torch.nn.SiLU()  # type: ignore[assignment]
    quantize_model(shallow, [r"model\.8\.m\..*"])
    set_ranges(shallow, collect(shallow, [images]), "max")
    int8 = to_runtime_int8(export_onnx(shallow, tmp_path / "qdq.onnx", image_size=64))
    saved(int8, tmp_path / "int8.onnx")
    assert np.array_equal(run(tmp_path / "int8.onnx", images), run(tmp_path / "qdq.onnx", images))


def test_what_reads_a_tensor_in_float_still_gets_it_unrounded(tmp_path: Path) -> None:
    """A pooled tensor that a quantized and a float convolution read."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(4, 4, 1, 1)).astype(np.float32) for name in ("a.weight", "b.weight")}
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    initializers += [
        numpy_helper.from_array(np.float32(0.05), "s"),
        numpy_helper.from_array(np.int8(0), "z"),
        numpy_helper.from_array(np.full(4, 0.02, np.float32), "sw"),
        numpy_helper.from_array(np.zeros(4, np.int8), "zw"),
    ]
    nodes = [
        helper.make_node("Relu", ["images"], ["r"], "relu"),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["p", "s", "z"], ["pq"], "q"),
        helper.make_node("DequantizeLinear", ["pq", "s", "z"], ["pd"], "dq"),
        helper.make_node("QuantizeLinear", ["a.weight", "sw", "zw"], ["wq"], "wq", axis=0),
        helper.make_node("DequantizeLinear", ["wq", "sw", "zw"], ["wd"], "wdq", axis=0),
        helper.make_node("Conv", ["pd", "wd"], ["x"], "quantized"),
        helper.make_node("Conv", ["p", "b.weight"], ["y"], "float"),
        helper.make_node("Add", ["x", "y"], ["out"], "sum"),
    ]
    value = [
        helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["b", 4, s, s]) for n, s in (("images", 8), ("out", 4))
    ]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    feeds = torch.from_numpy(rng.normal(size=(2, 4, 8, 8)).astype(np.float32))
    expected = run(saved(model, tmp_path / "qdq.onnx"), feeds)
    assert np.array_equal(run(saved(to_runtime_int8(model), tmp_path / "int8.onnx"), feeds), expected)


def test_weights_are_stored_as_integers(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    int8 = to_runtime_int8(export_onnx(shallow_ptq, tmp_path / "qdq.onnx", image_size=64))
    stored = {tensor.name: tensor.data_type for tensor in int8.graph.initializer}
    assert stored["model.4.conv.weight_int8"] == onnx.TensorProto.INT8
    assert "model.4.conv.weight" not in stored


def test_the_float_twin_is_the_model_without_quantizers(
    shallow_ptq: YoloModel, images: torch.Tensor, tmp_path: Path
) -> None:
    qdq = export_onnx(shallow_ptq, tmp_path / "qdq.onnx", image_size=64)
    twin = run(saved(without_quantization(qdq), tmp_path / "float.onnx"), images)
    set_quantization(shallow_ptq, False)
    with torch.no_grad():
        expected = shallow_ptq(images)[0].numpy()
    assert np.allclose(twin, expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(run(tmp_path / "qdq.onnx", images), expected, rtol=1e-4, atol=1e-4)


def test_the_given_file_is_left_as_it_is(shallow_ptq: YoloModel, tmp_path: Path) -> None:
    qdq = export_onnx(shallow_ptq, tmp_path / "qdq.onnx", image_size=64)
    before = qdq.SerializeToString(deterministic=True)
    to_runtime_int8(qdq)
    without_quantization(qdq)
    assert qdq.SerializeToString(deterministic=True) == before
    assert onnxruntime.InferenceSession(tmp_path / "qdq.onnx") is not None


def test_whole_biases_make_the_optimised_file_compute_the_same(
    shallow: YoloModel, images: torch.Tensor, tmp_path: Path
) -> None:
    """ONNX Runtime rounds biases to int32 where it fuses a convolution; there is nothing left for it to round."""
    with torch.no_grad():
        for i in (0, 1, 4, 7):
            shallow.model[i].conv.bias.uniform_(-0.5, 0.5)
    quantize_model(shallow, ["none"])
    set_ranges(shallow, collect(shallow, [images]), "mse")
    differences = []
    for name in ("as they are", "whole"):
        if name == "whole":
            round_biases(shallow)
        qdq = export_onnx(shallow, tmp_path / f"{name}.onnx", image_size=64)
        int8 = saved(to_runtime_int8(qdq), tmp_path / f"{name}.int8.onnx")
        expected, got = run(tmp_path / f"{name}.onnx", images), run(int8, images, optimize=True)
        differences.append(float(np.linalg.norm(got - expected) / np.linalg.norm(expected)))
    assert differences[1] < 1e-5
    assert differences[1] < differences[0] / 5
    again = {key: value.clone() for key, value in shallow.state_dict().items()}
    round_biases(shallow)
    assert all(torch.equal(again[key], value) for key, value in shallow.state_dict().items()), "whole ones stay"


def test_a_dead_channel_keeps_its_bias(shallow: YoloModel, images: torch.Tensor, tmp_path: Path) -> None:
    """Weights of zero and a bias: where the scale followed the weights, the int32 bias would overflow and be lost."""
    conv = shallow.model[4].conv
    with torch.no_grad():
        conv.weight[:4] = 0
        conv.weight[4:8] = 1e-13
        conv.bias[:8] = 0.3
    quantize_model(shallow, ["none"])
    set_ranges(shallow, collect(shallow, [images]), "max")
    round_biases(shallow)
    assert torch.allclose(shallow.model[4].conv.bias[:8], torch.tensor(0.3), atol=1e-6)
    int8 = saved(to_runtime_int8(export_onnx(shallow, tmp_path / "qdq.onnx", image_size=64)), tmp_path / "int8.onnx")
    expected = run(tmp_path / "qdq.onnx", images)
    got = run(int8, images, optimize=True)
    assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < 1e-5
