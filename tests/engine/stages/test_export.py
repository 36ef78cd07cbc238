"""`export`, run as its own process on real files."""

import json
import signal
import subprocess
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch

from engine.data.config import load_data_config
from engine.data.loader import val_loader
from engine.export.metadata import read_metadata
from engine.models.checkpoint import load_checkpoint
from engine.quant.state import QuantSpec, load_quantized
from tests.engine.stages.toy import SIZE, VAL_IMAGES, Done, command, environment, refusal, run_stage
from tests.waiting import patience, wait_until


@pytest.fixture(scope="module")
def graph(exported: Done) -> onnx.GraphProto:
    return onnx.load(exported.folder / "export" / "model.onnx").graph


def test_the_file_is_evaluated_in_onnx_runtime_on_the_images_of_ptq(exported: Done, calibrated: Done) -> None:
    (evaluation,) = exported.result.evaluations
    assert (evaluation.label, evaluation.backend) == ("ONNX Q/DQ", "onnxruntime")
    ptq = calibrated.result.evaluations[-1]
    assert evaluation.settings == ptq.settings
    # One image in 24 that falls to the other side of a threshold is more than this.
    assert evaluation.metrics["mAP@.5"] == pytest.approx(ptq.metrics["mAP@.5"], abs=0.01)
    assert exported.log.count("Average Precision") == 6


def test_the_file_is_valid_onnx(exported: Done) -> None:
    onnx.checker.check_model(onnx.load(exported.folder / "export" / "model.onnx"), full_check=True)


def test_quantized_convolutions_have_q_and_dq_on_input_and_weight(graph: onnx.GraphProto, toy_ptq: Path) -> None:
    makers = {output: node for node in graph.node for output in node.output}
    initializers = {tensor.name for tensor in graph.initializer}

    def quantized(name: str) -> bool:
        dequantize = makers.get(name)
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            return False
        source = dequantize.input[0]
        return source in initializers or makers[source].op_type == "QuantizeLinear"

    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    both = [node for node in convolutions if quantized(node.input[0]) and quantized(node.input[1])]
    neither = [node for node in convolutions if not quantized(node.input[0]) and not quantized(node.input[1])]
    expected = QuantSpec.from_plain(load_checkpoint(toy_ptq).quant or {}).quantized
    assert len(both) == len(expected) == 58
    assert not neither
    assert len(both) + len(neither) == len(convolutions)


def test_onnx_runtime_agrees_with_pytorch(exported: Done, toy_ptq: Path, toy_data: Path) -> None:
    model = load_quantized(load_checkpoint(toy_ptq)).eval()
    loader = val_loader(load_data_config(toy_data), "val", SIZE, VAL_IMAGES, letterbox="square", workers=0)
    images = next(iter(loader))[0].float() / 255
    with torch.no_grad():
        ours = model(images)[0]
    options = onnxruntime.SessionOptions()
    # As the file says. Its optimisations merge convolutions with their Q/DQ, and round in other places.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(exported.folder / "export" / "model.onnx", options)
    theirs = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: images.numpy()})[0])
    assert ours.shape == theirs.shape == (VAL_IMAGES, 3 * (8**2 + 4**2 + 2**2), 5 + 4)
    differences = (ours - theirs).flatten(1).norm(dim=1) / ours.flatten(1).norm(dim=1)
    # A value on the edge between two steps may fall to either side, and the rest of its image follows.
    assert differences.median() < 1e-5
    assert differences.max() < 0.02


def test_what_the_file_is_made_of_is_told(exported: Done) -> None:
    (event,) = exported.events("export")
    assert (event["quantized"], event["convolutions"], event["activation_scales"]) == (58, 58, 27)
    assert event["qdq_pairs"] == 58 + 47
    assert event["floating"] == []
    assert event["difference"]["relative"] < 1e-2  # type: ignore[index,call-overload]
    assert exported.result.details["quantized"] == 58
    assert "INT8" not in exported.log.split("Namespace")[1]


def test_the_commands_for_tensorrt_end_the_log_and_are_kept(exported: Done) -> None:
    commands = exported.result.details["trtexec"]
    assert "--int8 --fp16 --minShapes=images:1x3x64x64" in commands["TensorRT 8 to 10"][0]  # type: ignore[index]
    told = exported.log.split("Average Recall")[-1]
    assert all(line in told for lines in commands.values() for line in lines)  # type: ignore[attr-defined]


def test_the_file_says_where_it_comes_from(exported: Done) -> None:
    metadata = read_metadata(onnx.load(exported.folder / "export" / "model.onnx"))
    weights = next(artifact for artifact in exported.result.inputs if artifact.role == "weights")
    assert metadata["source_sha256"] == weights.sha256
    assert metadata["activation"] == "relu"
    assert metadata["image_size"] == str(SIZE)
    assert metadata["data"] == "shapes.yaml"
    data = next(artifact for artifact in exported.result.inputs if artifact.role == "data")
    float_sha256 = load_checkpoint(Path(weights.path)).meta["float_sha256"]
    assert json.loads(metadata["lineage"]) == {"float_sha256": float_sha256, "data_sha256": data.sha256}


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_an_export_that_is_killed_leaves_the_previous_file(toy_ptq: Path, tmp_path: Path, number: int) -> None:
    folder = tmp_path / "run"
    (folder / "export").mkdir(parents=True)
    (folder / "export" / "model.onnx").write_bytes(b"the previous file")
    given = ("--weights", toy_ptq, "--img-size", 640)
    process = subprocess.Popen(
        command("export", folder, *given), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
    )

    def is_writing() -> bool:
        assert process.poll() is None
        return bool(list((folder / "export").glob("*.tmp")))

    wait_until(is_writing, 60, poll_seconds=0.002)
    process.send_signal(number)
    process.communicate(timeout=patience(60))
    assert process.returncode == (128 + number if number == signal.SIGTERM else -number)
    assert (folder / "export" / "model.onnx").read_bytes() == b"the previous file"
    assert not (folder / "result.json").exists()
    assert bool(list((folder / "export").glob("*.tmp"))) == (number == signal.SIGKILL)


def test_a_float_model_without_data(toy_float: Path, tmp_path: Path) -> None:
    done = run_stage("export", tmp_path / "run", "--weights", toy_float, "--img-size", 70, "--no-dynamic-batch")
    assert done.code == 0, done.log
    (event,) = done.events("export")
    assert (event["label"], event["qdq_pairs"], event["image_size"]) == ("ONNX", 0, 96)
    assert "--img-size 70 must be multiple of max stride 32, updating to 96" in done.log
    assert done.result.evaluations == []


def test_a_difference_beyond_the_tolerance_leaves_the_previous_file(toy_ptq: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "export").mkdir(parents=True)
    (folder / "export" / "model.onnx").write_bytes(b"the previous file")
    message = refusal("export", folder, "--weights", toy_ptq, "--img-size", SIZE, "--tolerance", 1e-12)
    assert "more than --tolerance 1e-12" in message
    assert (folder / "export" / "model.onnx").read_bytes() == b"the previous file"
    assert [path.name for path in (folder / "export").iterdir()] == ["model.onnx"]


def test_a_file_that_ends_in_nms_evaluates_alike_at_its_thresholds_alone(
    exported: Done, toy_ptq: Path, toy_data: Path, tmp_path: Path
) -> None:
    thresholds = ("--score-threshold", 0.001, "--iou-threshold", 0.65, "--max-detections", 300)
    data = ("--data", toy_data, "--img-size", SIZE, "--workers", 0)
    done = run_stage("export", tmp_path / "run", "--weights", toy_ptq, *data, "--nms", "onnx", *thresholds)
    assert done.code == 0, done.log
    files = {artifact.role: artifact.path for artifact in done.result.artifacts}
    assert files == {"onnx": "export/model.onnx", "decoded": "export/model.decoded.onnx"}
    assert done.result.details["nms"]["compared"] > 0  # type: ignore[index]
    assert done.result.evaluations[-1].metrics == exported.result.evaluations[-1].metrics
    ending = tmp_path / "run" / "export" / "model.onnx"
    again = run_stage("evaluate", tmp_path / "again", "--weights", ending, *data)
    assert again.code == 0, again.log
    evaluation = again.result.evaluations[-1]
    assert evaluation.settings == exported.result.evaluations[-1].settings
    assert evaluation.metrics == pytest.approx(exported.result.evaluations[-1].metrics, abs=1e-6)
    message = refusal("evaluate", tmp_path / "low", "--weights", ending, *data, "--iou-thres", 0.5)
    assert "Evaluate with --conf-thres 0.001 --iou-thres 0.65" in message
    message = refusal("int8", tmp_path / "int8", "--weights", ending, *data[:2], "--conf-thres", 0.0001)
    assert "ends in its own NMS" in message


def test_raw_heads_evaluate_alike_and_take_no_nms(
    exported: Done, toy_ptq: Path, toy_data: Path, tmp_path: Path
) -> None:
    given = ("--weights", toy_ptq, "--img-size", SIZE, "--heads", "raw")
    assert "needs decoded boxes" in refusal("export", tmp_path / "both", *given, "--nms", "onnx")
    done = run_stage("export", tmp_path / "run", *given, "--data", toy_data, "--workers", 0)
    assert done.code == 0, done.log
    before = exported.result.evaluations[-1].metrics
    assert done.result.evaluations[-1].metrics == pytest.approx(before, abs=1e-4)


def test_rectangles_are_refused(toy_ptq: Path, tmp_path: Path) -> None:
    message = refusal("export", tmp_path / "run", "--weights", toy_ptq, "--letterbox", "rect")
    assert "square images only" in message
