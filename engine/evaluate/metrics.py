"""Precision, recall and average precision per class, as YOLOv7 computes them."""

from dataclasses import dataclass

import numpy as np

CONFIDENCES = np.linspace(0, 1, 1000)
RECALLS = np.linspace(0, 1, 101)
TINY = 1e-16


@dataclass(frozen=True)
class ClassMetrics:
    """One entry per class that has labels."""

    classes: np.ndarray
    """(k,) class numbers."""
    precision: np.ndarray
    """(k,) at the confidence where the mean F1 over classes is best."""
    recall: np.ndarray
    f1: np.ndarray
    ap: np.ndarray
    """(k, 10) average precision at IoU 0.50 to 0.95."""


def ap_per_class(
    correct: np.ndarray, scores: np.ndarray, predicted: np.ndarray, labels: np.ndarray, *, v5_metric: bool = False
) -> ClassMetrics:
    """Average precision of detections over all images.

    Args:
        correct: (n, 10) bool, a detection is right at each IoU threshold.
        scores: (n,) confidence of each detection.
        predicted: (n,) class of each detection.
        labels: (m,) class of every label.
        v5_metric: extend the recall curve to 1.0 as YOLOv5 does, not by 0.01 past its end.
    """
    order = np.argsort(-scores, kind="stable")
    correct, scores, predicted = correct[order], scores[order], predicted[order]
    classes, counts = np.unique(labels.astype(np.int64), return_counts=True)
    precision, recall = np.zeros((len(classes), 1000)), np.zeros((len(classes), 1000))
    ap = np.zeros((len(classes), correct.shape[1]))
    for k, (kind, count) in enumerate(zip(classes, counts, strict=True)):
        own = predicted == kind
        if not own.any():
            continue
        right = correct[own].cumsum(0)
        wrong = (~correct[own]).cumsum(0)
        recalls = right / (count + TINY)
        precisions = right / (right + wrong)
        recall[k] = np.interp(-CONFIDENCES, -scores[own], recalls[:, 0], left=0)
        precision[k] = np.interp(-CONFIDENCES, -scores[own], precisions[:, 0], left=1)
        for j in range(ap.shape[1]):
            ap[k, j] = average_precision(recalls[:, j], precisions[:, j], v5_metric=v5_metric)
    f1 = 2 * precision * recall / (precision + recall + TINY)
    best = int(f1.mean(0).argmax()) if len(classes) else 0
    return ClassMetrics(classes, precision[:, best], recall[:, best], f1[:, best], ap)


def average_precision(recall: np.ndarray, precision: np.ndarray, *, v5_metric: bool = False) -> float:
    """Area under the precision envelope over 101 recalls, by the trapezoid rule.

    Args:
        recall: (n,) growing.
        precision: (n,).
        v5_metric: where the curve falls to zero: at recall 1.0, not 0.01 past the last recall.
    """
    end = 1.0 if v5_metric else recall[-1] + 0.01
    recalls = np.concatenate([[0.0], recall, [end]])
    envelope = np.maximum.accumulate(np.concatenate([[1.0], precision, [0.0]])[::-1])[::-1]
    heights = np.interp(RECALLS, recalls, envelope)
    return float(((heights[1:] + heights[:-1]) / 2 * np.diff(RECALLS)).sum())


def fitness(map50: float, map50_95: float) -> float:
    """What makes a checkpoint the best: 0.1 · mAP@.5 + 0.9 · mAP@.5:.95."""
    return 0.1 * map50 + 0.9 * map50_95
