"""The three terms of the loss: box, objectness and class, for given assignments of cells to targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.losses.boxes import aligned_iou
from engine.losses.candidates import Candidates

BALANCE = {3: (4.0, 1.0, 0.4)}
"""Weight of each level's objectness, by number of levels."""
BALANCE_MORE = (4.0, 1.0, 0.25, 0.06, 0.02)
FOCAL_ALPHA = 0.25


def loss_terms(
    raws: Sequence[Tensor], matches: Sequence[Candidates], targets_T6: Tensor, hyp: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    """Compute the box, objectness and class loss.

    Args:
        raws: per level (B, A, Y, X, O), float32.
        matches: per level, the cells assigned to a target.
        targets_T6: image, class, cx, cy, w, h as fractions of the image.
        hyp: `box`, `obj`, `cls` gains (already scaled), `cls_pw`, `obj_pw`, `fl_gamma`, `label_smoothing`.

    Returns:
        (total × batch size, to differentiate; detached [box, obj, cls, total]).
    """
    device = raws[0].device
    box = torch.zeros((), device=device)
    obj = torch.zeros((), device=device)
    cls = torch.zeros((), device=device)
    smoothing = float(hyp.get("label_smoothing", 0.0))
    balance = BALANCE.get(len(raws), BALANCE_MORE)
    for level, (raw, match) in enumerate(zip(raws, matches, strict=True)):
        objectness = torch.zeros_like(raw[..., 0])
        if len(match):
            predictions = raw[match.image_M, match.anchor_M, match.row_M, match.column_M]
            targets = targets_T6[match.target_M]
            ciou = _box_ciou(predictions, targets, match, raw.shape)
            box = box + (1.0 - ciou).mean()
            _write_objectness(objectness, match, ciou.detach().clamp(0).to(objectness.dtype))
            if raw.shape[-1] > 6:
                class_targets = torch.full_like(predictions[:, 5:], 0.5 * smoothing)
                class_targets.scatter_(1, targets[:, 1].long()[:, None], 1.0 - 0.5 * smoothing)
                cls = cls + _bce(predictions[:, 5:], class_targets, float(hyp["cls_pw"]), float(hyp["fl_gamma"]))
        obj = obj + balance[level] * _bce(raw[..., 4], objectness, float(hyp["obj_pw"]), float(hyp["fl_gamma"]))
    box, obj, cls = box * float(hyp["box"]), obj * float(hyp["obj"]), cls * float(hyp["cls"])
    total = box + obj + cls
    return total * raws[0].shape[0], torch.stack((box, obj, cls, total)).detach()


def _box_ciou(predictions: Tensor, targets: Tensor, match: Candidates, shape: torch.Size) -> Tensor:
    """Compute the CIoU of predicted and target boxes, in cells, with centres relative to the predicting cell."""
    y = predictions[:, :4].sigmoid()
    predicted = torch.cat((y[:, :2] * 2 - 0.5, (y[:, 2:] * 2) ** 2 * match.anchor_wh_M2), 1)
    grid = torch.tensor([shape[3], shape[2]] * 2, device=predictions.device, dtype=torch.float32)
    target_boxes = targets[:, 2:6] * grid
    target_boxes = torch.cat((target_boxes[:, :2] - match.cell_M2, target_boxes[:, 2:]), 1)
    return aligned_iou(predicted, target_boxes, "ciou")


def _write_objectness(objectness: Tensor, match: Candidates, values_M: Tensor) -> None:
    """Write the objectness targets; if matches share a cell and anchor, the last one wins, on every device."""
    _, anchors, rows, columns = objectness.shape
    cell = ((match.image_M * anchors + match.anchor_M) * rows + match.row_M) * columns + match.column_M
    order = torch.arange(len(match), device=cell.device)
    last = torch.full((objectness.numel(),), -1, device=cell.device)
    last.scatter_reduce_(0, cell, order, "amax")
    is_last = last[cell] == order
    objectness.view(-1)[cell[is_last]] = values_M[is_last]


def _bce(logits: Tensor, targets: Tensor, positive_weight: float, gamma: float) -> Tensor:
    """Compute the mean binary cross-entropy; focal (Lin et al., 2017, arXiv:1708.02002) where gamma > 0."""
    weight = None if positive_weight == 1.0 else torch.full((1,), positive_weight, device=logits.device)
    if gamma <= 0:
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)
    loss = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="none")
    p = logits.sigmoid()
    p_t = targets * p + (1 - targets) * (1 - p)
    alpha = targets * FOCAL_ALPHA + (1 - targets) * (1 - FOCAL_ALPHA)
    return (loss * alpha * (1.0 - p_t) ** gamma).mean()
