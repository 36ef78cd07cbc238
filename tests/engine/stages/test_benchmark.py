"""`benchmark`, run as its own process on the models that a chain has made."""

import os
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.engine.stages.toy import SIZE, Done, refusal, run_stage, stage_once


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, toy_float: Path, toy_ptq: Path, exported: Done) -> Done:
    models = (toy_float, toy_ptq, exported.folder / "export" / "model.onnx")
    sizes = ("--img-size", SIZE, "--batches", 4, 1, "--rounds", 4)
    return stage_once(tmp_path_factory, "benchmark", "benchmark", "--models", *models, *sizes, PATH="/nothing")


@pytest.mark.slow
def test_each_model_has_median_spread_throughput_memory_and_size(done: Done, exported: Done) -> None:
    (event,) = done.events("benchmark")
    assert done.result.details["benchmark"] == {key: value for key, value in event.items() if key != "event"}
    assert (event["threads"], event["batches"], event["rounds"], event["warm_up"]) == (1, [1, 4], 4, 3)
    models = {model["label"]: model for model in event["models"]}  # type: ignore[attr-defined]
    assert list(models) == ["float", "PTQ", "ONNX Q/DQ", "ONNX float"]
    for model in models.values():
        assert [timing["batch"] for timing in model["timings"]] == [1, 4]
        for timing in model["timings"]:
            assert 0 < timing["least"] <= timing["p25"] <= timing["median"] <= timing["p75"] <= timing["p95"]
            assert timing["images_per_second"] == pytest.approx(1000 * timing["batch"] / timing["median"])
    # An ONNX file is opened without PyTorch, which takes more than it.
    assert models["ONNX Q/DQ"]["peak_mb"] < models["float"]["library_mb"] < models["float"]["peak_mb"]
    file = next(artifact for artifact in exported.result.artifacts if artifact.role == "onnx")
    assert (models["ONNX Q/DQ"]["sha256"], models["ONNX Q/DQ"]["size_bytes"]) == (file.sha256, file.size_bytes)


def test_speed_is_against_float_in_the_same_runtime(done: Done) -> None:
    models = {model["label"]: model for model in done.result.details["benchmark"]["models"]}  # type: ignore[index]
    assert {label: model["reference"] for label, model in models.items()} == {
        "float": "float",
        "PTQ": "float",
        "ONNX Q/DQ": "ONNX float",
        "ONNX float": "ONNX float",
    }
    ratio = models["float"]["timings"][0]["median"] / models["PTQ"]["timings"][0]["median"]
    assert models["PTQ"]["timings"][0]["speed"] == pytest.approx(ratio)
    assert not list(done.folder.glob("*.tmp.onnx"))


def test_that_tensorrt_is_absent_is_said(done: Done) -> None:
    assert "Not on this machine: trtexec, TensorrtExecutionProvider" in done.log
    assert done.result.details["benchmark"]["tensorrt"] == {"trtexec": "absent", "provider": "absent"}  # type: ignore[index]


@pytest.mark.parametrize(("has_flags", "fixture"), [(True, "trtexec_8.txt"), (False, "trtexec_11.txt")])
def test_trtexec_is_run_with_the_flags_that_it_has(
    tmp_path: Path, exported: Done, has_flags: bool, fixture: str
) -> None:
    """A program that prints like it stands in."""
    printed = REPOSITORY / "tests" / "fixtures" / "logs" / fixture
    flags = "--int8 --fp16" if has_flags else "--stronglyTyped"
    program = tmp_path / "bin" / "trtexec"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$1" in --help) echo "{flags}";; *) cat "{printed}";; esac\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    model = exported.folder / "export" / "model.onnx"
    given = ("--models", model, "--img-size", SIZE, "--rounds", 1)
    done = run_stage("benchmark", tmp_path / "run", *given, PATH=path)
    assert done.code == 0, done.log
    (engine,) = done.result.details["benchmark"]["tensorrt"]["trtexec"]  # type: ignore[index]
    shapes = f"--shapes=images:1x3x{SIZE}x{SIZE}"
    assert engine["command"][2:] == (["--int8", "--fp16", shapes] if has_flags else [shapes])
    assert engine["median_ms"] == pytest.approx(15.6204 if has_flags else engine["median_ms"])
    assert engine["median_ms"] > 0
    assert "batch 1: " in done.log


def test_what_cannot_be_timed_is_named(toy_float: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pt"
    garbage.write_bytes(b"no model")
    assert "garbage.pt" in refusal("benchmark", tmp_path / "a", "--models", toy_float, garbage, "--img-size", SIZE)


@pytest.mark.slow
def test_checkpoints_are_timed_at_the_size_of_the_onnx_files(
    exported: Done, toy_float: Path, toy_ptq: Path, tmp_path: Path
) -> None:
    model = exported.folder / "export" / "model.onnx"
    done = run_stage("benchmark", tmp_path / "run", "--models", toy_float, model, "--rounds", 1, PATH="/nothing")
    assert done.code == 0, done.log
    assert "timing at that size instead of --img-size 640" in done.log
    assert done.result.details["benchmark"]["image_size"] == SIZE  # type: ignore[index]
    larger = run_stage("export", tmp_path / "larger", "--weights", toy_ptq, "--img-size", 2 * SIZE)
    assert larger.code == 0, larger.log
    both = (model, larger.folder / "export" / "model.onnx")
    assert "different image sizes" in refusal("benchmark", tmp_path / "b", "--models", *both)
