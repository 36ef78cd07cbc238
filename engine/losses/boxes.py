"""Differentiable overlap of boxes. The terms, ε included, are exactly those of YOLOv7."""

import math
from typing import Literal

import torch
from torch import Tensor

EPS = 1e-7


def aligned_iou(a: Tensor, b: Tensor, kind: Literal["iou", "giou", "diou", "ciou"] = "ciou") -> Tensor:
    """Compute the IoU of pairs of boxes (…, 4), cx, cy, w, h → (…,).

    GIoU: Rezatofighi et al., 2019, arXiv:1902.09630. DIoU and CIoU: Zheng et al., 2019, arXiv:1911.08287.
    """
    a_x1, a_y1, a_x2, a_y2 = xywh_to_xyxy(a).unbind(-1)
    b_x1, b_y1, b_x2, b_y2 = xywh_to_xyxy(b).unbind(-1)
    inter = (torch.minimum(a_x2, b_x2) - torch.maximum(a_x1, b_x1)).clamp(0) * (
        torch.minimum(a_y2, b_y2) - torch.maximum(a_y1, b_y1)
    ).clamp(0)
    a_w, a_h = a_x2 - a_x1, a_y2 - a_y1 + EPS
    b_w, b_h = b_x2 - b_x1, b_y2 - b_y1 + EPS
    union = a_w * a_h + b_w * b_h - inter + EPS
    iou = inter / union
    if kind == "iou":
        return iou
    hull_w = torch.maximum(a_x2, b_x2) - torch.minimum(a_x1, b_x1)
    hull_h = torch.maximum(a_y2, b_y2) - torch.minimum(a_y1, b_y1)
    if kind == "giou":
        hull = hull_w * hull_h + EPS
        return iou - (hull - union) / hull
    diagonal = hull_w**2 + hull_h**2 + EPS
    distance = ((b_x1 + b_x2 - a_x1 - a_x2) ** 2 + (b_y1 + b_y2 - a_y1 - a_y2) ** 2) / 4
    if kind == "diou":
        return iou - distance / diagonal
    v = (4 / math.pi**2) * (torch.atan(b_w / (b_h + EPS)) - torch.atan(a_w / (a_h + EPS))) ** 2
    with torch.no_grad():
        alpha = v / (v - iou + (1 + EPS))
    return iou - (distance / diagonal + v * alpha)


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Compute the IoU of all pairs: (N, 4) and (M, 4) boxes x1, y1, x2, y2 → (N, M), without ε."""
    top_left = torch.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (bottom_right - top_left).clamp(0).prod(-1)
    return inter / (_area(a)[:, None] + _area(b)[None] - inter)


def xywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Convert boxes (…, 4) from cx, cy, w, h to x1, y1, x2, y2."""
    xy, wh = boxes[..., :2], boxes[..., 2:]
    return torch.cat((xy - wh / 2, xy + wh / 2), -1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
