"""IoU and conversion of boxes, as NumPy arrays of corners x1, y1, x2, y2 in pixels."""

import numpy as np

from engine.data.dataset import Shapes


def pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the IoU of (n, 4) and (m, 4) float32 boxes, (n, m); 0/0 is nan, as in torchvision."""
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
    """Convert boxes (n, 4) from a letterboxed batch to the image file, clipped to the image.

    Args:
        boxes: corners in pixels of the batch.
        shapes: (height, width) of the file, then scale (h, w) and padding (left, top) from the file to the batch.
    """
    (height, width), ((scale, _), (left, top)) = shapes
    shifted = (boxes - np.array((left, top, left, top), np.float32)) / np.float32(scale)
    return shifted.clip(0, np.array((width, height, width, height), np.float32))


def corners_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """Convert corners (n, 4) to left, top, width, height, the format of COCO."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
