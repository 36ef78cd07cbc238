"""The chain by the second backend: `ptq`, `qat`, `export` and `int8`, each as its own process."""

import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from engine.contracts.run_folder import RunFolder
from engine.export.metadata import read_metadata
from engine.models.checkpoint import load_checkpoint
from engine.quant.state import QuantSpec
from tests.conftest import REPOSITORY
from tests.engine.stages.toy import SIZE, Done, command, environment, epochs_of, refusal, run_stage, stage_once
from tests.made_once import made_once

needs_modelopt = pytest.mark.skipif(importlib.util.find_spec("modelopt") is None, reason="needs yoloqat[modelopt]")
ABSENT = "raise ModuleNotFoundError(\"No module named 'modelopt'\")\n"


@pytest.fixture(scope="module")
def ptq(calibration: list[object], tmp_path_factory: pytest.TempPathFactory) -> Done:
    return stage_once(tmp_path_factory, "modelopt-ptq", "ptq", *calibration, "--backend", "modelopt")


@pytest.fixture(scope="module")
def qat(ptq: Done, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Ended after the first of two epochs, and resumed."""
    weights = ptq.folder / "weights" / "ptq.pt"
    given = ("--weights", weights, "--data", toy_data, "--img-size", SIZE, "--epochs", 2, "--workers", 0)

    def end_and_resume(parent: Path) -> Done:
        folder = parent / "run"
        folder.mkdir()
        request = RunFolder(folder).stop_after_epoch
        request.touch()
        ended = run_stage("qat", folder, *given)
        assert ended.code == 130, ended.log
        assert [row.epoch for row, _ in epochs_of(ended.facts)] == [0]
        request.unlink()
        done = run_stage("qat", folder, *given, "--resume")
        assert done.code == 0, done.log
        return done

    return made_once(tmp_path_factory, "modelopt-qat", end_and_resume)


@pytest.fixture(scope="module")
def exported(qat: Done, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    given = ("--weights", qat.folder / "weights" / "best.pt", "--data", toy_data, "--img-size", SIZE, "--workers", 0)
    return stage_once(tmp_path_factory, "modelopt-export", "export", *given)


@needs_modelopt
def test_ptq_finds_the_ranges_and_the_map_of_the_default(ptq: Done, calibrated: Done) -> None:
    assert "58 convolutions: 47 input tensors share 27 scales" in ptq.log
    assert "Quantizers of modelopt\n" in ptq.log
    assert ptq.result.details["ranges"] == calibrated.result.details["ranges"]
    ours, theirs = (done.result.evaluations[-1].metrics["mAP@.5"] for done in (calibrated, ptq))
    assert theirs == pytest.approx(ours, abs=1e-3)
    path = ptq.folder / "weights" / "ptq.pt"
    torch.load(path, weights_only=True)
    assert QuantSpec.from_plain(load_checkpoint(path).quant or {}).backend == "modelopt"


@pytest.mark.slow
@needs_modelopt
def test_qat_learns_and_goes_on_where_it_was_ended(qat: Done, ptq: Done) -> None:
    assert [row.epoch for row, _ in epochs_of(qat.facts)] == [1]
    before, after = (load_checkpoint(path) for path in (ptq.folder / "weights/ptq.pt", qat.folder / "weights/last.pt"))
    assert before.quant == after.quant
    changed = {key for key, value in before.state.items() if not torch.equal(value, after.state[key])}
    assert len([key for key in changed if key.endswith("weight")]) > 40
    assert not [key for key in changed if key.endswith("_amax")]


@pytest.mark.slow
@needs_modelopt
def test_the_file_for_tensorrt_is_what_the_default_would_have_made(exported: Done, qat: Done) -> None:
    (event,) = exported.events("export")
    assert (event["quantized"], event["convolutions"], event["activation_scales"]) == (58, 58, 27)
    assert event["qdq_pairs"] == 58 + 47
    assert event["difference"]["relative"] < 1e-2  # type: ignore[index,call-overload]
    model = onnx.load(exported.folder / "export" / "model.onnx")
    assert [entry.version for entry in model.opset_import] == [13]
    assert "Cast" not in {node.op_type for node in model.graph.node}
    zeros = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    values = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name in zeros]
    assert values
    assert all(value.dtype == np.int8 and not value.any() for value in values)
    assert read_metadata(model)["quantization_backend"] == "modelopt"
    before, after = (done.result.evaluations[-1].metrics["mAP@.5"] for done in (qat, exported))
    # ModelOpt multiplies where ONNX divides; one image in 24 that falls to the other side of a threshold is more.
    assert after == pytest.approx(before, abs=0.02)


@pytest.mark.slow
@needs_modelopt
def test_its_rewrite_runs_in_int8(exported: Done, toy_data: Path, tmp_path: Path) -> None:
    weights = exported.folder / "export" / "model.onnx"
    done = run_stage("int8", tmp_path / "run", "--weights", weights, "--data", toy_data, "--workers", 0, "--rounds", 1)
    assert done.code == 0, done.log
    coverage = done.result.details["coverage"]
    assert (coverage["int8"], coverage["convolutions"]) == (58, 58)  # type: ignore[index]
    assert read_metadata(onnx.load(tmp_path / "run/export/model.int8.onnx"))["quantization_backend"] == "modelopt"


@needs_modelopt
def test_learned_ranges_are_refused(ptq: Done, toy_data: Path, tmp_path: Path) -> None:
    given = ("--weights", ptq.folder / "weights" / "ptq.pt", "--data", toy_data, "--img-size", SIZE, "--workers", 0)
    message = refusal("qat", tmp_path / "run", *given, "--lsq")
    assert message.startswith("the backend modelopt cannot learn ranges (--lsq)")
    assert "run `ptq` with --backend pytorch-quantization" in message


def test_without_the_extra_ptq_says_what_to_install(calibration: list[object], tmp_path: Path) -> None:
    (tmp_path / "absent" / "modelopt").mkdir(parents=True)
    (tmp_path / "absent" / "modelopt" / "__init__.py").write_text(ABSENT)
    path = f"{tmp_path / 'absent'}:{REPOSITORY}"
    argv = command(
        "ptq", tmp_path / "run", *calibration, "--backend", "modelopt"
    )  # a process that has not imported it yet
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(PYTHONPATH=path), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(
        "the quantization backend modelopt cannot be imported: No module named 'modelopt'\n"
        "  Install it: pip install 'yoloqat[modelopt]'\n"
    )
