"""Batches of images with similar aspect ratios, to reduce padding."""

import numpy as np


def aspect_order(sizes: np.ndarray) -> np.ndarray:
    """Return indices that sort images (n, 2: width, height) by height / width, wide ones first."""
    return np.argsort(sizes[:, 1] / sizes[:, 0], kind="stable")


def batch_shapes(sizes: np.ndarray, img_size: int, batch_size: int, stride: int, pad: float) -> np.ndarray:
    """Compute (n, 2) height and width of each image's letterbox, equal within a batch.

    Args:
        sizes: (n, 2) width and height, sorted by aspect ratio.
        img_size: long side of an image in pixels.
        batch_size: images per batch, in this order.
        stride: both sides are multiples of it.
        pad: padding in strides, added before rounding up.
    """
    aspect = sizes[:, 1] / sizes[:, 0]
    shapes = np.empty((len(sizes), 2), np.int64)
    for start in range(0, len(sizes), batch_size):
        batch = aspect[start : start + batch_size]
        low, high = batch.min(), batch.max()
        shape = np.array((high, 1.0) if high < 1 else (1.0, 1 / low) if low > 1 else (1.0, 1.0))
        shapes[start : start + batch_size] = np.ceil(shape * img_size / stride + pad) * stride
    return shapes
