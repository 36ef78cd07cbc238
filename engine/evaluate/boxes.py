"""Boxes of detections and labels, as NumPy arrays of corners x1, y1, x2, y2 in pixels."""

import numpy as np

from engine.data.dataset import Shapes


def pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n, 4) and (m, 4) float32 → (n, m) intersection over union; 0/0 is nan, as in torchvision."""
    x1, y1, x2, y2 = first.T[:, :, None]
    u1, v1, u2, v2 = second.T[:, None, :]
    width = np.minimum(x2, u2)
    width -= np.maximum(x1, u1)
    height = np.minimum(y2, v2)
    height -= np.maximum(y1, v1)
    inter = np.maximum(width, 0, out=width)
    inter *= np.maximum(height, 0, out=height)
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1)
    union -= inter
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(inter, union, out=inter)


def scale_to_original(boxes: np.ndarray, shapes: Shapes) -> np.ndarray:
    """Boxes in a letterboxed batch (n, 4) → boxes in the image file, clipped to it.

    Args:
        boxes: corners in pixels of the batch.
        shapes: how the file came into the batch: (height, width), (scale (h, w), padding (left, top)).
    """
    (height, width), ((gain, _), (left, top)) = shapes
    moved = (boxes - np.array((left, top, left, top), np.float32)) / np.float32(gain)
    return moved.clip(0, np.array((width, height, width, height), np.float32))


def corners_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) corners → left, top, width, height, as COCO writes boxes."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
