"""Non-maximum suppression of YOLO predictions, without torchvision and without a time limit."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.evaluate.boxes import pairwise_iou

MAX_DETECTIONS = 300
MAX_CANDIDATES = 30000
BLOCK = 256
"""Number of candidates that are compared with each other at once."""
DENSE = 0.5
"""If more than this share of a block survives, comparing it with all later candidates is not worth the time."""


def non_max_suppression(
    prediction: Tensor,
    conf_thres: float = 0.25,
    iou_thres: float = 0.45,
    *,
    classes: Sequence[int] | None = None,
    agnostic: bool = False,
    multi_label: bool = False,
    labels: Sequence[np.ndarray] = (),
    max_det: int = MAX_DETECTIONS,
    max_candidates: int = MAX_CANDIDATES,
) -> list[Tensor]:
    """Reduce decoded predictions to detections. The input is not changed.

    Args:
        prediction: (B, N, 5 + nc) cx, cy, w, h in pixels, objectness, class scores.
        conf_thres: candidates must have a higher score, and a higher objectness.
        iou_thres: a candidate that overlaps a better one of its class by more than this is dropped.
        classes: keep these classes only.
        agnostic: let candidates of different classes suppress each other.
        multi_label: every class of a row above the threshold is a candidate, not only the best one (if nc > 1).
        labels: per image (k, 5) class, cx, cy, w, h in pixels, added as candidates with score 1.
        max_det: largest number of detections per image.
        max_candidates: largest number of candidates; the best ones are used.

    Returns:
        Per image (n, 6) float32 x1, y1, x2, y2 in pixels, score, class; best first; on the device of the input.
    """
    results = []
    for i, rows in enumerate(prediction):
        rows = rows[rows[:, 4] > conf_thres]
        if len(labels) and len(labels[i]):
            rows = torch.cat([rows, _label_predictions(labels[i], rows)])
        candidates = _candidates(rows, conf_thres, classes, multi_label, max_candidates)
        survivors = suppress(
            candidates[:, :4], None if agnostic else candidates[:, 5], iou_thres=iou_thres, max_det=max_det
        )
        results.append(torch.from_numpy(candidates[survivors]).to(prediction.device))
    return results


def suppress(
    boxes: np.ndarray, classes: np.ndarray | None, *, iou_thres: float, max_det: int = MAX_DETECTIONS
) -> np.ndarray:
    """Suppress greedily: return the indices of boxes that no better kept box of their class overlaps too much.

    Works in blocks: boxes of a block are suppressed by the boxes kept so far, then by each other. If few survive, the
    kept boxes are compared with all later candidates of their class at once, which removes whole clusters early.

    Args:
        boxes: (n, 4) corners, best first.
        classes: (n,) class of each box; None compares all with all.
        iou_thres: suppress above this overlap; an equal overlap is kept.
        max_det: stop after so many; the earlier ones do not depend on it.
    """
    boxes = np.ascontiguousarray(boxes, np.float32)
    box_classes = np.zeros(len(boxes), np.float32) if classes is None else classes
    remaining = np.arange(len(boxes))
    survivors = np.zeros(0, np.int64)
    compared_count = 0
    while len(remaining) and len(survivors) < max_det:
        block, remaining = remaining[:BLOCK], remaining[BLOCK:]
        uncompared = survivors[compared_count:]
        if len(uncompared):
            block = block[~_overlaps(boxes, box_classes, uncompared, block, iou_thres).any(0)]
        block_survivors = block[_greedy(_overlaps(boxes, box_classes, block, block, iou_thres))]
        survivors = np.concatenate([survivors, block_survivors])
        if len(block_survivors) < DENSE * BLOCK and len(remaining) > BLOCK:
            remaining = _thin_out(boxes, box_classes, survivors[compared_count:], remaining, iou_thres)
            compared_count = len(survivors)
    return survivors[:max_det]


def _overlaps(
    boxes: np.ndarray, box_classes: np.ndarray, first: np.ndarray, second: np.ndarray, iou_thres: float
) -> np.ndarray:
    """Return (n, m), True where boxes of the same class overlap by more than the threshold."""
    matrix = pairwise_iou(boxes[first], boxes[second]) > iou_thres
    matrix &= box_classes[first][:, None] == box_classes[second]
    return matrix


def _greedy(overlaps: np.ndarray) -> np.ndarray:
    """Return the indices that remain when each remaining box removes all later ones that it overlaps."""
    removed = np.zeros(len(overlaps), bool)
    survivors = []
    for i, row in enumerate(overlaps):
        if not removed[i]:
            survivors.append(i)
            removed |= row
    return np.array(survivors, np.int64)


def _thin_out(
    boxes: np.ndarray, box_classes: np.ndarray, survivors: np.ndarray, remaining: np.ndarray, iou_thres: float
) -> np.ndarray:
    """Return those of `remaining` that no survivor suppresses, in the same order."""
    is_kept = np.ones(len(remaining), bool)
    remaining_classes = box_classes[remaining]
    for box_class in np.unique(box_classes[survivors]):
        same = np.flatnonzero(remaining_classes == box_class)
        if len(same):
            iou = pairwise_iou(boxes[survivors[box_classes[survivors] == box_class]], boxes[remaining[same]])
            is_kept[same] = ~(iou > iou_thres).any(0)
    return remaining[is_kept]


def _label_predictions(labels: np.ndarray, rows: Tensor) -> Tensor:
    """Convert label rows (k, 5) to predictions with objectness and class score 1."""
    label_rows = torch.as_tensor(labels, dtype=rows.dtype, device=rows.device)
    predictions = rows.new_zeros((len(label_rows), rows.shape[1]))
    predictions[:, :4] = label_rows[:, 1:5]
    predictions[:, 4] = 1.0
    predictions[torch.arange(len(label_rows)), label_rows[:, 0].long() + 5] = 1.0
    return predictions


def _candidates(
    rows: Tensor, conf_thres: float, classes: Sequence[int] | None, multi_label: bool, limit: int
) -> np.ndarray:
    """Return (n, 6) corners, score and class of the best candidates of one image, best first."""
    nc = rows.shape[1] - 5
    scores = rows[:, 4:5] if nc == 1 else rows[:, 5:] * rows[:, 4:5]
    if multi_label and nc > 1:
        candidate_scores = scores.flatten()
    else:
        candidate_scores, best = scores.max(1) if nc else (rows[:, 4], rows.new_zeros(len(rows), dtype=torch.long))
    if classes is not None:
        is_allowed = torch.zeros(max(nc, 1), dtype=torch.bool, device=rows.device)
        is_allowed[[c for c in classes if c < nc]] = True
        allowed = is_allowed.repeat(len(rows)) if multi_label and nc > 1 else is_allowed[best]
        candidate_scores = torch.where(allowed, candidate_scores, torch.zeros_like(candidate_scores))
    selected = (candidate_scores > conf_thres).nonzero().squeeze(1)
    values = candidate_scores[selected]
    if len(selected) > limit:
        values, order = values.topk(limit)
        selected = selected[order]
    else:
        values, order = values.sort(descending=True, stable=True)
        selected = selected[order]
    row, box_class = (selected // nc, selected % nc) if multi_label and nc > 1 else (selected, best[selected])
    half = rows[row, 2:4] / 2
    centre = rows[row, :2]
    table = torch.cat([centre - half, centre + half, values[:, None], box_class[:, None].to(values.dtype)], 1)
    return np.ascontiguousarray(table.float().cpu().numpy())
