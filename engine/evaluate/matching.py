"""Matching of detections and labels by overlap."""

import numpy as np
import torch

from engine.evaluate.boxes import pairwise_iou

IOU_THRESHOLDS = torch.linspace(0.5, 0.95, 10).numpy()
"""Ten thresholds from 0.50 to 0.95, as the float32 values that YOLOv7 compares with."""


def match(detections: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return at which IoU thresholds each detection is correct.

    Each detection is compared only with the label of its class that it overlaps most. The best detection that
    overlaps a label by more than 0.5 is matched to it.

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
    best_label = iou.argmax(1)
    overlap = iou[np.arange(len(iou)), best_label]
    hits = np.flatnonzero(overlap > IOU_THRESHOLDS[0])
    _, first = np.unique(best_label[hits], return_index=True)
    matched = hits[first]
    correct[matched] = overlap[matched][:, None] > IOU_THRESHOLDS
    return correct
