"""How well anchors fit the labels of a data set, and the search for better ones."""

from collections.abc import Sequence

import numpy as np

GOOD_RECALL = 0.98
GENERATIONS = 1000
MIN_SIDE_PX = 2.0


def box_sizes(labels: Sequence[np.ndarray], sizes: np.ndarray, img_size: int) -> np.ndarray:
    """Return (n, 2) width and height of every label in pixels, with the long side of its image scaled to `img_size`.

    Args:
        labels: per image (n, 5) class, cx, cy, w, h as fractions.
        sizes: (images, 2) width and height of the files.
        img_size: long side in training.
    """
    scaled = img_size * sizes / sizes.max(1, keepdims=True)
    label_sizes = [rows[:, 3:5] * size for rows, size in zip(labels, scaled, strict=True) if len(rows)]
    return np.concatenate(label_sizes) if label_sizes else np.zeros((0, 2))


def anchor_fit(anchors_N2: np.ndarray, wh_M2: np.ndarray, anchor_t: float) -> tuple[float, float]:
    """Return (anchors per target, best possible recall).

    The first is the mean number of anchors within `anchor_t` of a label's sides, the second the share of labels with at
    least one.
    """
    ratio = wh_M2[:, None] / anchors_N2[None]
    fit = np.minimum(ratio, 1 / ratio).min(2)
    return float((fit > 1 / anchor_t).sum(1).mean()), float((fit.max(1) > 1 / anchor_t).mean())


def search_anchors(wh_M2: np.ndarray, count: int, anchor_t: float, rng: np.random.Generator) -> np.ndarray:
    """Search (count, 2) anchors: k-means over whitened sizes, then random mutations that improve the fitness.

    The fitness is the mean, over labels, of the best anchor's ratio of sides. Anchors are returned smallest area first.
    """
    wh = wh_M2[(wh_M2 >= MIN_SIDE_PX).any(1)]
    spread = wh.std(0).clip(1e-9)
    best = _k_means(wh / spread, count, rng) * spread
    fitness = _fitness(best, wh, anchor_t)
    for _ in range(GENERATIONS):
        change = np.where(rng.random((count, 2)) < 0.9, rng.random() * rng.standard_normal((count, 2)) * 0.1 + 1, 1.0)
        candidate = (best * change.clip(0.3, 3.0)).clip(MIN_SIDE_PX)
        if (score := _fitness(candidate, wh, anchor_t)) > fitness:
            best, fitness = candidate, score
    return best[np.argsort(best.prod(1))]


def _fitness(anchors_N2: np.ndarray, wh_M2: np.ndarray, anchor_t: float) -> float:
    ratio = wh_M2[:, None] / anchors_N2[None]
    best = np.minimum(ratio, 1 / ratio).min(2).max(1)
    return float((best * (best > 1 / anchor_t)).mean())


def _k_means(points: np.ndarray, count: int, rng: np.random.Generator, iterations: int = 30) -> np.ndarray:
    centres = points[rng.choice(len(points), count, replace=len(points) < count)].copy()
    for _ in range(iterations):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(2).argmin(1)
        for k in range(count):
            if (members := points[nearest == k]).size:
                centres[k] = members.mean(0)
    return centres
