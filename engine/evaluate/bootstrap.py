"""Bootstrap of an evaluation: mAP of many samples of its images, see `engine.contracts.paired_bootstrap`.

mAP is not a mean over images, so each sample ranks all its detections. Samples depend on the number of images alone,
so that two evaluations of the same images use the same samples.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from engine.contracts.paired_bootstrap import METRICS, Resampling
from engine.evaluate.matches import Matches
from engine.evaluate.metrics import RECALLS, TINY

RESAMPLES = 1000
_SEED = 0
_MAX_CELLS = 4_000_000
"""Detection weights in memory at once: 32 MB."""


def resample(matches: Matches, resamples: int = RESAMPLES) -> Resampling:
    """Compute mAP of each of `resamples` bootstrap samples."""
    key = "\n".join([matches.data, matches.ap, *matches.images])
    maps = resampled_maps(matches, draw_image_counts(len(matches.images), resamples))
    columns = {name: [None if np.isnan(v) else float(v) for v in maps[:, i]] for i, name in enumerate(METRICS)}
    return Resampling(of=hashlib.sha256(key.encode()).hexdigest(), maps=columns)


def draw_image_counts(images: int, resamples: int) -> np.ndarray:
    """Draw samples with replacement: (resamples, images), how often each image is drawn."""
    if not images:
        return np.zeros((resamples, 0), np.int64)
    return np.random.default_rng(_SEED).multinomial(images, np.full(images, 1 / images), size=resamples)


def resampled_maps(matches: Matches, image_counts: np.ndarray) -> np.ndarray:
    """Compute mAP@.5 and mAP@.5:.95 of each sample, as `ap_per_class` does.

    Args:
        matches: one evaluation.
        image_counts: (r, images) how often each image was drawn.

    Returns:
        (r, 2); NaN if no label was drawn.
    """
    classes = np.unique(matches.labels)
    ap = np.full((len(image_counts), len(classes), 10), np.nan)
    for k, class_number in enumerate(classes):
        per_image = np.bincount(matches.label_images[matches.labels == class_number], minlength=len(matches.images))
        label_counts = image_counts @ per_image
        ap[:, k] = _class_ap(matches, class_number, image_counts, label_counts)
        ap[label_counts == 0, k] = np.nan
    if not len(classes):
        return np.full((len(image_counts), 2), np.nan)
    has_labels = ~np.isnan(ap[:, :, 0]).all(1)
    maps = np.full((len(image_counts), 2), np.nan)
    maps[has_labels, 0] = np.nanmean(ap[has_labels, :, 0], axis=1)
    maps[has_labels, 1] = np.nanmean(ap[has_labels].mean(2), axis=1)
    return maps


def _class_ap(matches: Matches, class_number: int, image_counts: np.ndarray, label_counts: np.ndarray) -> np.ndarray:
    """Compute (r, 10) average precision of one class in each sample."""
    detections = np.flatnonzero(matches.classes == class_number)
    detections = detections[np.argsort(-matches.scores[detections], kind="stable")]
    ap = np.zeros((len(image_counts), 10))
    if not len(detections):
        return ap
    images, correct = matches.detection_images[detections], matches.correct[detections]
    for rows in _row_blocks(len(image_counts), len(detections)):
        weights = image_counts[rows][:, images].astype(np.float64)
        drawn = weights.cumsum(1)
        for j in range(10):
            true_positives = np.flatnonzero(correct[:, j])
            ap[rows, j] = _weighted_ap(
                weights[:, true_positives], drawn[:, true_positives], drawn[:, -1:], label_counts[rows], matches.ap
            )
    return ap


def _row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices of rows whose cells fit in `_MAX_CELLS`."""
    block = max(1, _MAX_CELLS // max(columns, 1))
    for start in range(0, rows, block):
        yield slice(start, start + block)


def _weighted_ap(
    weights: np.ndarray, drawn: np.ndarray, all_drawn: np.ndarray, label_counts: np.ndarray, ap_kind: str
) -> np.ndarray:
    """Compute (r,) areas under precision envelopes, as `average_precision` does for one curve.

    Precision rises only at true positives, so the envelope follows from the points just before and at each of them, and
    from the end of the curve; false positives in between need no points.

    Args:
        weights: (r, t) how often each true positive was drawn, best first.
        drawn: (r, t) number of detections drawn up to and including each of them.
        all_drawn: (r, 1) number of all detections drawn.
        label_counts: (r,) number of labels drawn.
        ap_kind: `yolov7` or `yolov5`, which end the curve differently.
    """
    true_positives = weights.cumsum(1)
    rows, count = true_positives.shape
    points = np.zeros((2, rows, 2 * count + 1))
    points[0, :, 0:-1:2], points[0, :, 1::2] = true_positives - weights, true_positives
    points[1, :, 0:-1:2], points[1, :, 1::2] = drawn - weights, drawn
    points[0, :, -1], points[1, :, -1] = true_positives[:, -1] if count else 0, all_drawn[:, 0]
    precisions = np.divide(points[0], points[1], out=np.zeros(points.shape[1:]), where=points[1] > 0)
    envelopes = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    recalls = points[0] / (label_counts[:, None] + TINY)
    ends = np.ones(rows) if ap_kind == "yolov5" else recalls[:, -1] + 0.01
    # Interpolate all rows in one call: each is shifted by 2 against the one before it, and is 0 in between.
    shift = 2.0 * np.arange(rows)[:, None]
    recalls = np.concatenate([np.zeros((rows, 1)), recalls, ends[:, None], np.full((rows, 1), 1.5)], axis=1) + shift
    envelopes = np.concatenate([np.ones((rows, 1)), envelopes, np.zeros((rows, 2))], axis=1)
    heights = np.interp((RECALLS + shift).ravel(), recalls.ravel(), envelopes.ravel()).reshape(rows, -1)
    areas: np.ndarray = ((heights[:, 1:] + heights[:, :-1]) / 2 * np.diff(RECALLS)).sum(1)
    return np.where(all_drawn[:, 0] > 0, areas, 0.0)
