"""mAP of many drawings of an evaluation's images: see `engine.contracts.noise`.

mAP is no mean over images: each drawing ranks all detections anew. Drawings depend on the number of images alone, so
that two evaluations of the same images are drawn alike.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from engine.contracts.noise import METRICS, Resampling
from engine.evaluate.matches import Matches
from engine.evaluate.metrics import RECALLS, TINY

RESAMPLES = 1000
_SEED = 0
_CELLS = 4_000_000
"""Weights of detections held at once: 32 MB."""


def resample(matches: Matches, resamples: int = RESAMPLES) -> Resampling:
    """mAP of each of so many drawings."""
    key = "\n".join([matches.data, matches.ap, *matches.images])
    maps = maps_of_drawings(matches, draw(len(matches.images), resamples))
    columns = {name: [None if np.isnan(v) else float(v) for v in maps[:, i]] for i, name in enumerate(METRICS)}
    return Resampling(of=hashlib.sha256(key.encode()).hexdigest(), maps=columns)


def draw(images: int, resamples: int) -> np.ndarray:
    """(resamples, images) how often each image is drawn."""
    if not images:
        return np.zeros((resamples, 0), np.int64)
    return np.random.default_rng(_SEED).multinomial(images, np.full(images, 1 / images), size=resamples)


def maps_of_drawings(matches: Matches, drawings: np.ndarray) -> np.ndarray:
    """mAP@.5 and mAP@.5:.95 of each drawing, as `ap_per_class` computes them.

    Args:
        matches: one evaluation.
        drawings: (r, images) how often each image was drawn.

    Returns:
        (r, 2); NaN where no label was drawn.
    """
    kinds = np.unique(matches.labels)
    ap = np.full((len(drawings), len(kinds), 10), np.nan)
    for k, kind in enumerate(kinds):
        per_image = np.bincount(matches.label_images[matches.labels == kind], minlength=len(matches.images))
        label_counts = drawings @ per_image
        ap[:, k] = _class_ap(matches, kind, drawings, label_counts)
        ap[label_counts == 0, k] = np.nan
    if not len(kinds):
        return np.full((len(drawings), 2), np.nan)
    has_labels = ~np.isnan(ap[:, :, 0]).all(1)
    maps = np.full((len(drawings), 2), np.nan)
    maps[has_labels, 0] = np.nanmean(ap[has_labels, :, 0], axis=1)
    maps[has_labels, 1] = np.nanmean(ap[has_labels].mean(2), axis=1)
    return maps


def _class_ap(matches: Matches, kind: int, drawings: np.ndarray, label_counts: np.ndarray) -> np.ndarray:
    """(r, 10) average precision of one class in each drawing."""
    own = np.flatnonzero(matches.classes == kind)
    own = own[np.argsort(-matches.scores[own], kind="stable")]
    ap = np.zeros((len(drawings), 10))
    if not len(own):
        return ap
    images, correct = matches.detection_images[own], matches.correct[own]
    for rows in _parts(len(drawings), len(own)):
        weights = drawings[rows][:, images].astype(np.float64)
        found = weights.cumsum(1)
        for j in range(10):
            right = np.flatnonzero(correct[:, j])
            ap[rows, j] = _weighted_ap(
                weights[:, right], found[:, right], found[:, -1:], label_counts[rows], matches.ap
            )
    return ap


def _parts(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _CELLS // max(columns, 1))
    for at in range(0, rows, step):
        yield slice(at, at + step)


def _weighted_ap(
    weights: np.ndarray, found: np.ndarray, all_found: np.ndarray, label_counts: np.ndarray, ending: str
) -> np.ndarray:
    """(r,) areas under precision envelopes, as `average_precision` computes one.

    Precision rises at right detections only, so the envelope is known from the points just before and at each of them,
    and from the end of the curve: wrong detections between them need no points of their own.

    Args:
        weights: (r, t) how often each right detection was drawn, best first.
        found: (r, t) detections drawn up to and with each of them.
        all_found: (r, 1) all detections drawn.
        label_counts: (r,) labels drawn.
        ending: `yolov7` or `yolov5`.
    """
    right = weights.cumsum(1)
    rows, count = right.shape
    points = np.zeros((2, rows, 2 * count + 1))
    points[0, :, 0:-1:2], points[0, :, 1::2] = right - weights, right
    points[1, :, 0:-1:2], points[1, :, 1::2] = found - weights, found
    points[0, :, -1], points[1, :, -1] = right[:, -1] if count else 0, all_found[:, 0]
    precisions = np.divide(points[0], points[1], out=np.zeros(points.shape[1:]), where=points[1] > 0)
    envelopes = np.maximum.accumulate(precisions[:, ::-1], axis=1)[:, ::-1]
    recalls = points[0] / (label_counts[:, None] + TINY)
    ends = np.ones(rows) if ending == "yolov5" else recalls[:, -1] + 0.01
    # One call for all rows: each stands 2 to the right of the one before it, and is 0 up to there.
    shift = 2.0 * np.arange(rows)[:, None]
    recalls = np.concatenate([np.zeros((rows, 1)), recalls, ends[:, None], np.full((rows, 1), 1.5)], axis=1) + shift
    envelopes = np.concatenate([np.ones((rows, 1)), envelopes, np.zeros((rows, 2))], axis=1)
    heights = np.interp((RECALLS + shift).ravel(), recalls.ravel(), envelopes.ravel()).reshape(rows, -1)
    areas: np.ndarray = ((heights[:, 1:] + heights[:, :-1]) / 2 * np.diff(RECALLS)).sum(1)
    return np.where(all_found[:, 0] > 0, areas, 0.0)
