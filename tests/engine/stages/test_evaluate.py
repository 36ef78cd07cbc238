"""`evaluate`, run as its own process, of a checkpoint and of an ONNX file."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.contracts.facts import CocoLine, ValidationRow
from engine.evaluate.bootstrap import resampled_maps
from engine.evaluate.matches import Matches
from tests.engine.stages.toy import SIZE, VAL_IMAGES, Done, refusal, run_stage


def check_what_is_printed(done: Done) -> None:
    """`all`, a row per class, the twelve lines of pycocotools; `result.json` has them at full precision."""
    (evaluation,) = done.result.evaluations
    rows = {fact.class_name: fact for fact in done.facts if isinstance(fact, ValidationRow)}
    assert list(rows) == ["all", *evaluation.per_class]
    assert len(rows) > 1
    for name, row in rows.items():
        numbers = evaluation.metrics if name == "all" else evaluation.per_class[name]
        assert row.images == VAL_IMAGES
        for key, text in row.values.items():
            assert numbers[key] == pytest.approx(float(text), rel=0.01, abs=1e-4)
    assert rows["all"].labels == sum(row.labels for name, row in rows.items() if name != "all")
    lines = [fact for fact in done.facts if isinstance(fact, CocoLine)]
    assert len(lines) == 12
    for line in lines:
        assert evaluation.metrics[line.key] == pytest.approx(float(line.text), abs=0.0006)
    assert evaluation.metrics["AP50"] == pytest.approx(evaluation.metrics["mAP@.5"], abs=0.05)
    assert evaluation.milliseconds_per_image["total"] > 0


def test_a_checkpoint(trained: Done, toy_data: Path, tmp_path: Path) -> None:
    weights = trained.folder / "weights" / "best.pt"
    options = ("--data", toy_data, "--img-size", SIZE, "--batch-size", 16, "--letterbox", "square", "--workers", 0)
    done = run_stage("evaluate", tmp_path / "run", "--weights", weights, *options, "--verbose")
    assert done.code == 0, done.log
    check_what_is_printed(done)
    (evaluation,) = done.result.evaluations
    assert (evaluation.label, evaluation.backend, evaluation.weights) == ("float", "pytorch", str(weights))
    after_training = trained.result.evaluations[-1]
    assert evaluation.settings == after_training.settings
    assert evaluation.metrics == pytest.approx(after_training.metrics, abs=1e-9)
    predictions = json.loads((tmp_path / "run" / "best_predictions.json").read_text())
    assert {"image_id", "category_id", "bbox", "score"} <= set(predictions[0])
    assert evaluation.matches == "best_matches.npz"
    matches = Matches.load(tmp_path / "run" / evaluation.matches)
    assert len(set(matches.images)) == VAL_IMAGES
    once = resampled_maps(matches, np.ones((1, VAL_IMAGES), int))[0]
    assert once == pytest.approx([evaluation.metrics[name] for name in ("mAP@.5", "mAP@.5:.95")], abs=1e-9)


def test_an_onnx_file_gives_what_its_export_said(exported: Done, toy_data: Path, tmp_path: Path) -> None:
    weights = exported.folder / "export" / "model.onnx"
    options = ("--data", toy_data, "--img-size", SIZE, "--batch-size", 8, "--workers", 0)
    done = run_stage("evaluate", tmp_path / "run", "--weights", weights, *options)
    assert done.code == 0, done.log
    check_what_is_printed(done)
    assert "the file has a fixed image size: evaluating with --letterbox square" in done.log
    (evaluation,) = done.result.evaluations
    said = exported.result.evaluations[-1]
    assert evaluation.backend == "onnxruntime"
    assert evaluation.settings == said.settings
    assert evaluation.metrics == said.metrics


def test_an_onnx_file_takes_its_own_image_size_only(exported: Done, toy_data: Path, tmp_path: Path) -> None:
    weights = exported.folder / "export" / "model.onnx"
    message = refusal("evaluate", tmp_path / "run", "--weights", weights, "--data", toy_data, "--img-size", 96)
    assert message == f"{weights}: this file takes images of 64×64 only\n  Use --img-size 64."
