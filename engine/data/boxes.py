"""Conversions and overlap of boxes, as NumPy arrays."""

import numpy as np


def fractions_to_pixels(
    boxes: np.ndarray, width: float, height: float, left: float = 0.0, top: float = 0.0
) -> np.ndarray:
    """Convert boxes (n, 4) from cx, cy, w, h in fractions of an image at (left, top) to x1, y1, x2, y2 in pixels."""
    result = np.empty_like(boxes)
    half_w, half_h = boxes[:, 2] / 2, boxes[:, 3] / 2
    result[:, 0] = width * (boxes[:, 0] - half_w) + left
    result[:, 1] = height * (boxes[:, 1] - half_h) + top
    result[:, 2] = width * (boxes[:, 0] + half_w) + left
    result[:, 3] = height * (boxes[:, 1] + half_h) + top
    return result


def pixels_to_fractions(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Convert boxes (n, 4) from x1, y1, x2, y2 in pixels to cx, cy, w, h in fractions of an image."""
    result = np.empty_like(boxes)
    result[:, 0] = (boxes[:, 0] + boxes[:, 2]) / 2 / width
    result[:, 1] = (boxes[:, 1] + boxes[:, 3]) / 2 / height
    result[:, 2] = (boxes[:, 2] - boxes[:, 0]) / width
    result[:, 3] = (boxes[:, 3] - boxes[:, 1]) / height
    return result


def overlap_of_boxes(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the share of each of `boxes` (n, 4) that `box` (4,) covers, 0 to 1. Corners x1, y1, x2, y2."""
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return width.clip(0) * height.clip(0) / (area + 1e-16)
