"""`ComputeLossOTA`: each target takes the candidates that predict it best.

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
"""The number of cells a target takes is the sum of this many best IoUs."""
IOU_COST_WEIGHT = 3.0
EPS = 1e-8


class ComputeLossOTA(ComputeLoss):
    """The loss of training. Equal to the original on square images; on others, which it scales by the height in both
    axes, the width is used where it belongs."""

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
            of_image = (image_M == image).nonzero().flatten()
            targets = (targets_T6[:, 0].long() == image).nonzero().flatten()
            if len(of_image) == 0:
                continue
            chosen = assign(
                target_boxes_T4[targets], targets_T6[targets, 1].long(), boxes_M4[of_image], logits_MO[of_image]
            )
            target_M[of_image] = torch.where(chosen >= 0, targets[chosen.clamp(0)], -1)
        result = []
        for level, target in zip(levels, target_M.split([len(level) for level in levels]), strict=True):
            # Image by image, in the order of the candidates: the order in which objectness is written.
            matched = (target >= 0).nonzero().flatten()
            matched = matched[torch.argsort(level.image_M[matched], stable=True)]
            result.append(level.select(matched, target[matched]))
        return result


def assign(boxes_T4: Tensor, class_T: Tensor, predicted_M4: Tensor, logits_MO: Tensor) -> Tensor:
    """Assign the candidates of one image to its targets.

    Args:
        boxes_T4: targets, x1, y1, x2, y2 in pixels.
        class_T: their classes.
        predicted_M4: what the candidates predict, likewise.
        logits_MO: objectness and class logits of the candidates.

    Returns:
        (M,) the target of each candidate, or −1.
    """
    iou_TM = pairwise_iou(boxes_T4, predicted_M4)
    cost_TM = _class_cost(class_T, logits_MO) + IOU_COST_WEIGHT * -torch.log(iou_TM + EPS)
    count = min(TOP_IOUS, iou_TM.shape[1])
    take_T = iou_TM.topk(count, dim=1).values.sum(1).int().clamp(min=1)
    matching_TM = torch.zeros_like(cost_TM, dtype=torch.bool)
    # One topk per target, of exactly as many as it takes: candidates of the same cell cost the same, and a topk of
    # another size returns others of them than the original takes.
    for target, take in enumerate(take_T.tolist()):
        matching_TM[target, cost_TM[target].topk(take, largest=False).indices] = True
    takers_M = matching_TM.sum(0)
    target_M = torch.where(takers_M > 0, matching_TM.int().argmax(0), -1)
    contested = takers_M > 1
    target_M[contested] = cost_TM[:, contested].argmin(0)
    return target_M


def _class_cost(class_T: Tensor, logits_MO: Tensor) -> Tensor:
    """Σ_c BCE(√(σ(cls_c)·σ(obj)), one-hot of the target's class), (T, M).

    With q the root, the sum is Σ_c −log(1−q_c), which no target enters, plus −log q + log(1−q) at the target's class:
    one pass over candidates × classes and a gather, in the place of targets × candidates × classes.
    """
    log_q = (F.logsigmoid(logits_MO[:, :1]) + F.logsigmoid(logits_MO[:, 1:])) / 2
    log_not_q = torch.log(-torch.expm1(log_q).clamp(max=-1e-12))
    logit = log_q - log_not_q
    return -log_not_q.sum(1)[None] - logit[:, class_T].T


def _decode(raw: Tensor, level: Candidates, geometry: HeadGeometry, index: int) -> tuple[Tensor, Tensor]:
    """Boxes (M, 4) x1, y1, x2, y2 in pixels, and the objectness and class logits (M, 1+nc)."""
    # In fp32 under autocast, too: half precision makes most costs equal, and log 0 of some.
    chosen = raw[level.image_M, level.anchor_M, level.row_M, level.column_M].float()
    y = chosen[:, :4].sigmoid()
    xy = (y[:, :2] * 2 - 0.5 + level.cell_M2) * geometry.stride_L[index]
    wh = (y[:, 2:] * 2) ** 2 * level.anchor_wh_M2 * geometry.stride_L[index]
    return xywh_to_xyxy(torch.cat((xy, wh), 1)), chosen[:, 4:]
