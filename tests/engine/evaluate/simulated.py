"""Evaluations of models that do not exist, with as much skill as a test wants."""

import numpy as np

from engine.evaluate.matches import Matches
from engine.evaluate.metrics import ap_per_class


def evaluated(skill: float, *, images: int = 40, seed: int = 0, ap: str = "yolov7", data: str = "d" * 64) -> Matches:
    """An evaluation of a model that finds a share of the labels, the harder thresholds less often."""
    world, model = np.random.default_rng(0), np.random.default_rng(seed + 1)
    labels, detections, correct = [], [], []
    for _ in range(images):
        kinds = world.integers(0, 3, world.integers(0, 6))
        labels.append(np.column_stack([kinds, np.zeros((len(kinds), 4))]))
        found = np.concatenate([kinds, model.integers(0, 4, 6)])
        is_label = np.arange(len(found)) < len(kinds)
        quality = np.where(is_label, skill + 0.3 * model.standard_normal(len(found)), 0)
        scores = 1 / (1 + np.exp(0.9 - 1.8 * is_label - 1.5 * model.standard_normal(len(found))))
        boxes = np.zeros((len(found), 4))
        detections.append(np.column_stack([boxes, scores, found]))
        correct.append(quality[:, None] > np.linspace(0.5, 0.95, 10))
    names = [f"/data/{i}.jpg" for i in range(images)]
    return Matches.collect(data, ap, names, detections, correct, labels)


def mean_ap(matches: Matches) -> float:
    """mAP@.5:.95 of the whole evaluation."""
    found = ap_per_class(matches.correct, matches.scores, matches.classes, matches.labels)
    return float(found.ap.mean())
