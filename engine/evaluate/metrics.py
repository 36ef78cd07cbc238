"""Precision, recall and average precision per class, as YOLOv7 computes them."""

from dataclasses import dataclass

import numpy as np

CONFIDENCES = np.linspace(0, 1, 1000)
RECALLS = np.linspace(0, 1, 101)
TINY = 1e-16


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of each class that has labels."""

    classes: np.ndarray
    """(k,) class numbers."""
    precision: np.ndarray
    """(k,) at the confidence with the best mean F1 over classes."""
    recall: np.ndarray
    f1: np.ndarray
    ap: np.ndarray
    """(k, 10) average precision at IoU 0.50 to 0.95."""


def ap_per_class(
    correct: np.ndarray, scores: np.ndarray, predicted: np.ndarray, labels: np.ndarray, *, v5_metric: bool = False
) -> ClassMetrics:
    """Compute the average precision of the detections of all images.

    Args:
        correct: (n, 10) bool, whether a detection is correct at each IoU threshold.
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
    for k, (class_number, count) in enumerate(zip(classes, counts, strict=True)):
        is_predicted = predicted == class_number
        if not is_predicted.any():
            continue
        true_positives = correct[is_predicted].cumsum(0)
        false_positives = (~correct[is_predicted]).cumsum(0)
        recalls = true_positives / (count + TINY)
        precisions = true_positives / (true_positives + false_positives)
        recall[k] = np.interp(-CONFIDENCES, -scores[is_predicted], recalls[:, 0], left=0)
        precision[k] = np.interp(-CONFIDENCES, -scores[is_predicted], precisions[:, 0], left=1)
        for j in range(ap.shape[1]):
            ap[k, j] = average_precision(recalls[:, j], precisions[:, j], v5_metric=v5_metric)
    f1 = 2 * precision * recall / (precision + recall + TINY)
    best = int(f1.mean(0).argmax()) if len(classes) else 0
    return ClassMetrics(classes, precision[:, best], recall[:, best], f1[:, best], ap)


def average_precision(recall: np.ndarray, precision: np.ndarray, *, v5_metric: bool = False) -> float:
    """Compute the area under the precision envelope at 101 recalls, by the trapezoid rule.

    Args:
        recall: (n,) ascending.
        precision: (n,) at these recalls.
        v5_metric: let the curve fall to zero at recall 1.0, not 0.01 past the last recall.
    """
    end = 1.0 if v5_metric else recall[-1] + 0.01
    recalls = np.concatenate([[0.0], recall, [end]])
    envelope = np.maximum.accumulate(np.concatenate([[1.0], precision, [0.0]])[::-1])[::-1]
    heights = np.interp(RECALLS, recalls, envelope)
    return float(((heights[1:] + heights[:-1]) / 2 * np.diff(RECALLS)).sum())


def fitness(map50: float, map50_95: float) -> float:
    """Return the number by which `best.pt` is chosen: 0.1 · mAP@.5 + 0.9 · mAP@.5:.95."""
    return 0.1 * map50 + 0.9 * map50_95
