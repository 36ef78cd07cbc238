"""Suppression keeps exactly what the original keeps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluate.boxes import pairwise_iou
from engine.evaluate.nms import non_max_suppression, suppress

CASES = ["single_label", "eval_multi", "agnostic", "classes", "nc1", "empty", "labels", "over_max_nms"]


def same_rows(found: np.ndarray, expected: np.ndarray) -> None:
    """Rows agree; rows of equal score may change places."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found[:, 4], expected[:, 4], atol=1e-3)
    for score in np.unique(expected[:, 4]):
        rows = expected[expected[:, 4] == score]
        candidates = found[np.abs(found[:, 4] - score) < 1e-6]
        for row in rows:
            assert np.abs(candidates - row).max(1).min() < 1e-3


@pytest.mark.parametrize("case", CASES)
def test_detections_equal_the_originals(golden: Path, case: str) -> None:
    info: dict[str, Any] = json.loads((golden / "nms" / "nms.json").read_text())[case]
    arrays = np.load(golden / "nms" / f"{case}.npz")
    prediction = torch.from_numpy(arrays["pred_f16"].astype(np.float32))
    before = prediction.clone()
    labels = [arrays[f"labels{i}"] for i in range(info["batch"])] if info["with_labels"] else ()
    found = non_max_suppression(prediction, labels=labels, **info["args"])
    assert [len(f) for f in found] == info["counts"]
    for i, detections in enumerate(found):
        same_rows(detections.numpy(), arrays[f"out{i}"])
    assert torch.equal(prediction, before), "the caller's predictions were changed"


@pytest.mark.parametrize("threshold", ["0.0", "0.3", "0.5", "0.65", "1.0"])
def test_bare_suppression_equals_the_originals(golden: Path, threshold: str) -> None:
    arrays = np.load(golden / "nms" / "bare_nms.npz")
    order = np.argsort(-arrays["scores"], kind="stable")
    kept = suppress(arrays["boxes"][order], None, iou_thres=float(threshold))
    assert order[kept].tolist() == arrays[f"keep_{threshold}"].tolist()


def test_an_overlap_equal_to_the_threshold_is_kept(golden: Path) -> None:
    arrays = np.load(golden / "nms" / "bare_nms.npz")
    order = np.argsort(-arrays["eq_scores"], kind="stable")
    kept = suppress(arrays["eq_boxes"][order], None, iou_thres=0.5)
    assert order[kept].tolist() == arrays["eq_keep_05"].tolist()


@pytest.mark.parametrize(("spread", "classes"), [(5.0, 1), (60.0, 3), (600.0, 1), (600.0, 40)])
def test_blocks_give_what_one_greedy_pass_gives(spread: float, classes: int) -> None:
    """Thousands of candidates, from a few dense heaps to hardly any overlap, against the definition."""
    rng = np.random.default_rng(3)
    centres = rng.uniform(0, 600, (6, 2))[rng.integers(6, size=2500)] + rng.normal(0, spread, (2500, 2))
    sides = rng.uniform(20, 90, (2500, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], 1).astype(np.float32)
    kinds = rng.integers(classes, size=2500).astype(np.float32)
    overlaps = (pairwise_iou(boxes, boxes) > 0.5) & (kinds[:, None] == kinds)
    expected: list[int] = []
    for i in range(len(boxes)):
        if not overlaps[i, expected].any():
            expected.append(i)
    for limit in (7, 300, 10000):
        assert suppress(boxes, kinds, iou_thres=0.5, max_det=limit).tolist() == expected[:limit]


def test_every_image_of_a_crowded_batch_gets_its_detections() -> None:
    """The original gives up after ten seconds and leaves later images empty; here time plays no part."""
    rng = np.random.default_rng(0)
    prediction = torch.from_numpy(rng.uniform(0.05, 1, (4, 3000, 25)).astype(np.float32))
    prediction[..., :4] *= 600
    assert [len(f) for f in non_max_suppression(prediction, 0.001, 0.65, multi_label=True)] == [300] * 4
