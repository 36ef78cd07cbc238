"""`int8`, run as its own process on a file that `export` has written."""

from pathlib import Path

import pytest

from tests.engine.stages.toy import Done, refusal, run_stage, stage_once


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, exported: Done, toy_data: Path) -> Done:
    weights = exported.folder / "export" / "model.onnx"
    given = ("--weights", weights, "--data", toy_data, "--workers", 0, "--rounds", 3)
    return stage_once(tmp_path_factory, "int8", "int8", *given)


def test_it_is_evaluated_like_the_file_that_it_comes_from(done: Done, exported: Done) -> None:
    (evaluation,) = done.result.evaluations
    assert (evaluation.label, evaluation.backend) == ("ONNX INT8", "onnxruntime")
    before = exported.result.evaluations[-1]
    assert evaluation.settings == before.settings
    # ONNX Runtime rounds biases to int32; one image in 24 that falls to the other side of a threshold is more.
    assert evaluation.metrics["mAP@.5"] == pytest.approx(before.metrics["mAP@.5"], abs=0.02)


def test_it_tells_how_much_runs_in_int8_and_how_fast(done: Done) -> None:
    coverage = done.result.details["coverage"]
    assert (coverage["int8"], coverage["convolutions"]) == (58, 58)
    assert "int8 in ONNX Runtime: 58 of 58 convolutions" in done.log
    files = done.result.details["latency"]["files"]
    assert list(files) == ["float", "ONNX Q/DQ", "ONNX INT8"]
    assert all(0 < file["least"] <= file["median"] for file in files.values())
    (event,) = done.events("benchmark")
    assert event["threads"] == 1


def test_its_equality_is_told_and_the_head_can_stay_float(done: Done, exported: Done, tmp_path: Path) -> None:
    assert "bit for bit" in done.log
    weights = exported.folder / "export" / "model.onnx"
    exact = run_stage("int8", tmp_path / "exact", "--weights", weights, "--head", "float", "--rounds", 0)
    assert f"equal to {weights} bit for bit\n" in exact.log
    assert "55 of 58 convolutions" in exact.log
    assert [file.name for file in (exact.folder / "export").iterdir()] == ["model.int8.onnx"]


def test_a_file_without_q_and_dq_is_refused(done: Done, tmp_path: Path) -> None:
    again = done.folder / "export" / "model.int8.onnx"
    assert "has been rewritten already" in refusal("int8", tmp_path / "again", "--weights", again)
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"no model")
    assert "garbage.onnx" in refusal("int8", tmp_path / "garbage", "--weights", garbage)
