"""Which detections hit a label."""

import numpy as np
import torch

from engine.evaluate.boxes import pairwise_iou

IOU_THRESHOLDS = torch.linspace(0.5, 0.95, 10).numpy()
"""Ten overlaps from 0.50 to 0.95, in the float32 values that the original compares with."""


def match(detections: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tell for each detection at which overlaps it is right.

    Each detection looks at the label of its class that it overlaps most, and at no other. The first one that overlaps a
    label by more than half takes it.

    Args:
        detections: (n, 6) x1, y1, x2, y2, score, class, best first.
        labels: (m, 5) class, x1, y1, x2, y2, in the same pixels.

    Returns:
        (n, 10) bool, one column per entry of IOU_THRESHOLDS.
    """
    correct = np.zeros((len(detections), len(IOU_THRESHOLDS)), bool)
    if not len(detections) or not len(labels):
        return correct
    iou = np.nan_to_num(pairwise_iou(detections[:, :4], labels[:, 1:]))
    iou[detections[:, 5:6] != labels[:, 0]] = -1
    nearest = iou.argmax(1)
    overlap = iou[np.arange(len(iou)), nearest]
    hits = np.flatnonzero(overlap > IOU_THRESHOLDS[0])
    _, first = np.unique(nearest[hits], return_index=True)
    takers = hits[first]
    correct[takers] = overlap[takers][:, None] > IOU_THRESHOLDS
    return correct
