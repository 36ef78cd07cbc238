"""P, R, AP and matching equal the original's on its own inputs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.data.boxes import fractions_to_pixels
from engine.evaluate.boxes import scale_to_original
from engine.evaluate.matching import match
from engine.evaluate.metrics import ap_per_class, average_precision, fitness
from engine.evaluate.nms import non_max_suppression


def expectations(golden: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((golden / "metrics" / "metrics.json").read_text())
    return result


@pytest.mark.parametrize("v5_metric", [False, True])
@pytest.mark.parametrize("case", ["typical", "few", "class_without_pred", "pred_only_other_classes", "one_class"])
def test_ap_equals_the_originals(golden: Path, case: str, v5_metric: bool) -> None:
    a = np.load(golden / "metrics" / f"ap_{case}.npz")
    found = ap_per_class(a["tp"], a["conf"], a["pred_cls"], a["target_cls"], v5_metric=v5_metric)
    suffix = "_v5" if v5_metric else ""
    for name, values in (("p", found.precision), ("r", found.recall), ("ap", found.ap), ("f1", found.f1)):
        np.testing.assert_allclose(values, a[name + suffix], rtol=1e-9, atol=1e-12)
    assert found.classes.tolist() == a["classes" + suffix].tolist()
    expected = expectations(golden)[case]
    assert found.ap.mean() == pytest.approx(expected["map_v5" if v5_metric else "map"])
    assert found.ap[:, 0].mean() == pytest.approx(expected["map50_v5" if v5_metric else "map50"])


def test_area_under_one_curve(golden: Path) -> None:
    case = expectations(golden)["compute_ap"]
    recall, precision = np.array(case["recall"]), np.array(case["precision"])
    assert average_precision(recall, precision) == pytest.approx(case["ap"])
    assert average_precision(recall, precision, v5_metric=True) == pytest.approx(case["ap_v5"])


def test_fitness(golden: Path) -> None:
    case = expectations(golden)["fitness"]
    assert [fitness(row[2], row[3]) for row in case["rows"]] == pytest.approx(case["out"])


@pytest.mark.parametrize("run", ["default", "v5", "conf25"])
def test_detections_are_matched_as_the_original_matches_them(golden: Path, run: str) -> None:
    expected = expectations(golden)["eval"]
    inputs = np.load(golden / "metrics" / "eval_inputs.npz")
    args = dict(expected[run]["args"])
    v5_metric = args.pop("v5_metric", False)
    correct, detections, classes = [], [], []
    for b, batch in enumerate(expected["batches"]):
        height, width = batch["image_hw"]
        targets = inputs[f"targets{b}"]
        found = non_max_suppression(torch.from_numpy(inputs[f"pred{b}"]), **args, multi_label=True)
        for i, boxes in enumerate(d.numpy() for d in found):
            own = targets[targets[:, 0] == i, 1:]
            labels = np.concatenate([own[:, :1], fractions_to_pixels(own[:, 1:], width, height)], 1)
            labels[:, 1:] = scale_to_original(labels[:, 1:], batch["shapes"][i])
            boxes[:, :4] = scale_to_original(boxes[:, :4], batch["shapes"][i])
            correct.append(match(boxes, labels))
            detections.append(boxes)
            classes.append(labels[:, 0])
    hits, table, kinds = np.concatenate(correct), np.concatenate(detections), np.concatenate(classes)
    stats = np.load(golden / "metrics" / f"eval_stats_{run}.npz")
    np.testing.assert_array_equal(hits, stats["correct"])
    np.testing.assert_allclose(table[:, 4], stats["conf"], rtol=1e-6)
    np.testing.assert_array_equal(table[:, 5], stats["pred_cls"])
    metrics = ap_per_class(hits, table[:, 4], table[:, 5], kinds, v5_metric=v5_metric)
    assert metrics.precision.mean() == pytest.approx(expected[run]["mp"], rel=1e-4)
    assert metrics.recall.mean() == pytest.approx(expected[run]["mr"], rel=1e-4)
    assert metrics.ap[:, 0].mean() == pytest.approx(expected[run]["map50"], rel=1e-4)
    assert metrics.ap.mean() == pytest.approx(expected[run]["map"], rel=1e-4)
    np.testing.assert_allclose(metrics.ap.mean(1), expected[run]["maps"], rtol=1e-4)


def test_boxes_go_back_to_the_file_as_the_originals(golden: Path) -> None:
    cases = json.loads((golden / "metrics" / "scale_coords.json").read_text())
    checked = 0
    for case in cases:
        if case["ratio_pad"] is None:
            continue
        gain, pad = case["ratio_pad"]
        boxes = np.array(case["boxes"], np.float32)
        found = scale_to_original(boxes, (tuple(case["to_hw"]), (tuple(gain), tuple(pad))))
        np.testing.assert_allclose(found, np.array(case["out"]), atol=1e-3)
        checked += 1
    assert checked


def test_a_second_detection_of_a_label_is_wrong() -> None:
    labels = np.array([[0, 10, 10, 50, 50], [1, 10, 10, 50, 50]], np.float32)
    detections = np.array([[10, 10, 50, 48, 0.9, 0], [10, 10, 50, 50, 0.8, 0], [10, 10, 50, 50, 0.7, 1]], np.float32)
    correct = match(detections, labels)
    assert correct[0].tolist() == [True] * 9 + [False]
    assert not correct[1].any(), "the better overlap comes too late: the label is taken"
    assert correct[2].all()
