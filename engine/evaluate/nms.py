"""Non-maximum suppression of YOLO predictions, without torchvision and without a time limit."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.evaluate.boxes import pairwise_iou

MAX_DETECTIONS = 300
MAX_CANDIDATES = 30000
BLOCK = 256
"""Candidates that are compared with each other at once."""
DENSE = 0.5
"""While more than this share of a block survives, looking ahead at later candidates does not pay."""


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
        conf_thres: only what scores more is a candidate (for the objectness alone, too).
        iou_thres: a candidate that overlaps a better one of its class by more than this is dropped.
        classes: keep these classes only.
        agnostic: let candidates of different classes suppress each other.
        multi_label: every class of a row over the threshold is a candidate, not the best one alone (if nc > 1).
        labels: per image (k, 5) class, cx, cy, w, h in pixels, taken as certain candidates in addition.
        max_det: detections per image at most.
        max_candidates: only so many of the best candidates are looked at.

    Returns:
        Per image (n, 6) float32 x1, y1, x2, y2 in pixels, score, class; best first; on the device of the input.
    """
    results = []
    for i, rows in enumerate(prediction):
        rows = rows[rows[:, 4] > conf_thres]
        if len(labels) and len(labels[i]):
            rows = torch.cat([rows, _certain(labels[i], rows)])
        candidates = _candidates(rows, conf_thres, classes, multi_label, max_candidates)
        survivors_so_far = suppress(
            candidates[:, :4], None if agnostic else candidates[:, 5], iou_thres=iou_thres, max_det=max_det
        )
        results.append(torch.from_numpy(candidates[survivors_so_far]).to(prediction.device))
    return results


def suppress(
    boxes: np.ndarray, classes: np.ndarray | None, *, iou_thres: float, max_det: int = MAX_DETECTIONS
) -> np.ndarray:
    """Greedy suppression: the indices of the boxes that no better kept box of their class overlaps too much.

    Works in blocks: a block is thinned out by the boxes kept so far, then within itself. Where much is suppressed, what
    was kept is at once compared with all later candidates of its class, so that whole clusters vanish early.

    Args:
        boxes: (n, 4) corners, best first.
        classes: (n,) class of each box; None compares all with all.
        iou_thres: suppress above this overlap; exactly equal is kept.
        max_det: stop at so many, which changes nothing about those found before.
    """
    boxes = np.ascontiguousarray(boxes, np.float32)
    kinds = np.zeros(len(boxes), np.float32) if classes is None else classes
    remaining = np.arange(len(boxes))
    survivors_so_far = np.zeros(0, np.int64)
    looked_ahead = 0
    while len(remaining) and len(survivors_so_far) < max_det:
        block, remaining = remaining[:BLOCK], remaining[BLOCK:]
        recent = survivors_so_far[looked_ahead:]
        if len(recent):
            block = block[~_overlaps(boxes, kinds, recent, block, iou_thres).any(0)]
        survivors = block[_greedy(_overlaps(boxes, kinds, block, block, iou_thres))]
        survivors_so_far = np.concatenate([survivors_so_far, survivors])
        if len(survivors) < DENSE * BLOCK and len(remaining) > BLOCK:
            remaining = _thin_out(boxes, kinds, survivors_so_far[looked_ahead:], remaining, iou_thres)
            looked_ahead = len(survivors_so_far)
    return survivors_so_far[:max_det]


def _overlaps(
    boxes: np.ndarray, kinds: np.ndarray, first: np.ndarray, second: np.ndarray, iou_thres: float
) -> np.ndarray:
    """(n, m) True where boxes of the same kind overlap by more than the threshold."""
    matrix = pairwise_iou(boxes[first], boxes[second]) > iou_thres
    matrix &= kinds[first][:, None] == kinds[second]
    return matrix


def _greedy(overlaps: np.ndarray) -> np.ndarray:
    """Indices that remain when each one that remains removes all later ones it overlaps."""
    removed = np.zeros(len(overlaps), bool)
    survivors_so_far = []
    for i, row in enumerate(overlaps):
        if not removed[i]:
            survivors_so_far.append(i)
            removed |= row
    return np.array(survivors_so_far, np.int64)


def _thin_out(
    boxes: np.ndarray, kinds: np.ndarray, survivors_so_far: np.ndarray, remaining: np.ndarray, iou_thres: float
) -> np.ndarray:
    """Those of `remaining` that none of `kept` suppresses, in the same order."""
    alive = np.ones(len(remaining), bool)
    remaining_kinds = kinds[remaining]
    for kind in np.unique(kinds[survivors_so_far]):
        same = np.flatnonzero(remaining_kinds == kind)
        if len(same):
            iou = pairwise_iou(boxes[survivors_so_far[kinds[survivors_so_far] == kind]], boxes[remaining[same]])
            alive[same] = ~(iou > iou_thres).any(0)
    return remaining[alive]


def _certain(labels: np.ndarray, rows: Tensor) -> Tensor:
    """Label rows (k, 5) as predictions with certain objectness and class."""
    label_rows = torch.as_tensor(labels, dtype=rows.dtype, device=rows.device)
    extra = rows.new_zeros((len(label_rows), rows.shape[1]))
    extra[:, :4] = label_rows[:, 1:5]
    extra[:, 4] = 1.0
    extra[torch.arange(len(label_rows)), label_rows[:, 0].long() + 5] = 1.0
    return extra


def _candidates(
    rows: Tensor, conf_thres: float, classes: Sequence[int] | None, multi_label: bool, limit: int
) -> np.ndarray:
    """(n, 6) corners, score, class of the best candidates of one image, best first."""
    nc = rows.shape[1] - 5
    scores = rows[:, 4:5] if nc == 1 else rows[:, 5:] * rows[:, 4:5]
    if multi_label and nc > 1:
        flat = scores.flatten()
    else:
        flat, best = scores.max(1) if nc else (rows[:, 4], rows.new_zeros(len(rows), dtype=torch.long))
    if classes is not None:
        is_allowed = torch.zeros(max(nc, 1), dtype=torch.bool, device=rows.device)
        is_allowed[[c for c in classes if c < nc]] = True
        allowed = is_allowed.repeat(len(rows)) if multi_label and nc > 1 else is_allowed[best]
        flat = torch.where(allowed, flat, torch.zeros_like(flat))
    over = (flat > conf_thres).nonzero().squeeze(1)
    values = flat[over]
    if len(over) > limit:
        values, chosen = values.topk(limit)
        over = over[chosen]
    else:
        values, chosen = values.sort(descending=True, stable=True)
        over = over[chosen]
    row, kind = (over // nc, over % nc) if multi_label and nc > 1 else (over, best[over])
    half = rows[row, 2:4] / 2
    centre = rows[row, :2]
    table = torch.cat([centre - half, centre + half, values[:, None], kind[:, None].to(values.dtype)], 1)
    return np.ascontiguousarray(table.float().cpu().numpy())
