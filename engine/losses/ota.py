"""`ComputeLossOTA`: each target is assigned the candidates that predict it best.

Simplified optimal transport (SimOTA): Ge et al., 2021, arXiv:2103.14259 and arXiv:2107.08430.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.losses.boxes import pairwise_iou, xywh_to_xyxy
from engine.losses.candidates import Candidates
from engine.losses.geometry import HeadGeometry
from engine.losses.loss import ComputeLoss

TOP_IOUS = 10
"""A target is assigned as many candidates as the sum of its this many best IoUs (SimOTA's dynamic k)."""
IOU_COST_WEIGHT = 3.0
EPS = 1e-8


class ComputeLossOTA(ComputeLoss):
    """Loss for training.

    Equal to YOLOv7's on square images. On others YOLOv7 scales both axes by the height; here x is scaled by the width.
    """

    def match(self, raws: Sequence[Tensor], targets_T6: Tensor) -> list[Candidates]:
        levels = super().match(raws, targets_T6)
        decoded = [
            _decode(raw, level, self.geometry, i) for i, (raw, level) in enumerate(zip(raws, levels, strict=True))
        ]
        boxes_M4 = torch.cat([boxes for boxes, _ in decoded])
        logits_MO = torch.cat([logits for _, logits in decoded])
        image_M = torch.cat([level.image_M for level in levels])
        stride = self.geometry.stride_L[0]
        size = torch.tensor([raws[0].shape[3] * stride, raws[0].shape[2] * stride] * 2, device=image_M.device)
        target_boxes_T4 = xywh_to_xyxy(targets_T6[:, 2:6] * size)
        target_M = torch.full_like(image_M, -1)
        for image in targets_T6[:, 0].long().unique().tolist():
            image_candidates = (image_M == image).nonzero().flatten()
            targets = (targets_T6[:, 0].long() == image).nonzero().flatten()
            if len(image_candidates) == 0:
                continue
            assigned = assign(
                target_boxes_T4[targets],
                targets_T6[targets, 1].long(),
                boxes_M4[image_candidates],
                logits_MO[image_candidates],
            )
            target_M[image_candidates] = torch.where(assigned >= 0, targets[assigned.clamp(0)], -1)
        result = []
        for level, target in zip(levels, target_M.split([len(level) for level in levels]), strict=True):
            # Sort by image, then by candidate: later objectness targets overwrite earlier ones of the same cell.
            assigned_rows = (target >= 0).nonzero().flatten()
            assigned_rows = assigned_rows[torch.argsort(level.image_M[assigned_rows], stable=True)]
            result.append(level.select(assigned_rows, target[assigned_rows]))
        return result


def assign(boxes_T4: Tensor, class_T: Tensor, predicted_M4: Tensor, logits_MO: Tensor) -> Tensor:
    """Assign the candidates of one image to its targets.

    Args:
        boxes_T4: targets, x1, y1, x2, y2 in pixels.
        class_T: their classes.
        predicted_M4: boxes that the candidates predict, in the same format.
        logits_MO: objectness and class logits of the candidates.

    Returns:
        (M,) index of the target of each candidate, or −1 for none.
    """
    iou_TM = pairwise_iou(boxes_T4, predicted_M4)
    cost_TM = _class_cost(class_T, logits_MO) + IOU_COST_WEIGHT * -torch.log(iou_TM + EPS)
    count = min(TOP_IOUS, iou_TM.shape[1])
    dynamic_k_T = iou_TM.topk(count, dim=1).values.sum(1).int().clamp(min=1)
    matching_TM = torch.zeros_like(cost_TM, dtype=torch.bool)
    # One topk per target, of exactly k: among candidates of equal cost (same cell), a topk of another size returns
    # others than YOLOv7's.
    for target, k in enumerate(dynamic_k_T.tolist()):
        matching_TM[target, cost_TM[target].topk(k, largest=False).indices] = True
    target_count_M = matching_TM.sum(0)
    target_M = torch.where(target_count_M > 0, matching_TM.int().argmax(0), -1)
    contested = target_count_M > 1
    target_M[contested] = cost_TM[:, contested].argmin(0)
    return target_M


def _class_cost(class_T: Tensor, logits_MO: Tensor) -> Tensor:
    """Compute Σ_c BCE(√(σ(cls_c)·σ(obj)), one-hot of the target's class), (T, M).

    With q the root, the sum is Σ_c −log(1−q_c), which is the same for all targets, plus −log q + log(1−q) at the
    target's class: one pass over candidates × classes and a gather, instead of targets × candidates × classes.
    """
    log_q = (F.logsigmoid(logits_MO[:, :1]) + F.logsigmoid(logits_MO[:, 1:])) / 2
    log_not_q = torch.log(-torch.expm1(log_q).clamp(max=-1e-12))
    logit = log_q - log_not_q
    return -log_not_q.sum(1)[None] - logit[:, class_T].T


def _decode(raw: Tensor, level: Candidates, geometry: HeadGeometry, index: int) -> tuple[Tensor, Tensor]:
    """Decode the candidates' boxes (M, 4) x1, y1, x2, y2 in pixels, and their objectness and class logits (M, 1+nc)."""
    # fp32 even under autocast: in half precision most costs are equal, and some are log 0.
    outputs = raw[level.image_M, level.anchor_M, level.row_M, level.column_M].float()
    y = outputs[:, :4].sigmoid()
    xy = (y[:, :2] * 2 - 0.5 + level.cell_M2) * geometry.stride_L[index]
    wh = (y[:, 2:] * 2) ** 2 * level.anchor_wh_M2 * geometry.stride_L[index]
    return xywh_to_xyxy(torch.cat((xy, wh), 1)), outputs[:, 4:]
