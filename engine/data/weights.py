"""Sampling weights by which rare classes and hard images are drawn more often."""

import numpy as np

from engine.data.scanning.labeled import LabeledImages


def class_weights(label_rows: np.ndarray, nc: int) -> np.ndarray:
    """Return (nc,) inverse class frequencies of labels (n, 5), summing to 1; absent classes count as one label."""
    counts = np.bincount(label_rows[:, 0].astype(np.int64), minlength=nc).astype(np.float64)
    counts[counts == 0] = 1
    inverse = 1 / counts
    return inverse / inverse.sum()


def image_weights(images: LabeledImages, weights: np.ndarray) -> np.ndarray:
    """Return (n,) the sum of the class weights (nc,) over each image's labels."""
    per_label = weights[images.label_rows[:, 0].astype(np.int64)]
    sums = np.concatenate([[0.0], per_label.cumsum()])
    return sums[images.label_starts[1:]] - sums[images.label_starts[:-1]]
