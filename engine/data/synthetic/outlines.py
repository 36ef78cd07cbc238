"""Outlines of the demo's shapes, slightly rotated and flattened at random, within about -1 to 1."""

from collections.abc import Callable, Mapping

import numpy as np

STAR_POINTS = 5
MAX_ROTATION = np.radians(25)
"""Small, so that squares stand on a side and triangles point up, which a small network learns in a minute."""


def circle(rng: np.random.Generator) -> np.ndarray:
    """Return (64, 2) points of a circle, slightly flattened."""
    return _rotated(_regular(64) * (1, rng.uniform(0.85, 1.0)), rng)


def square(rng: np.random.Generator) -> np.ndarray:
    """Return (4, 2) corners of a square, one side up to a tenth longer than the other."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    return _rotated(corners * (0.85, 0.85 * rng.uniform(0.9, 1.1)), rng)


def triangle(rng: np.random.Generator) -> np.ndarray:
    """Return (3, 2) corners of a nearly equilateral triangle."""
    return _rotated(_regular(3) * 1.15 * (1, rng.uniform(0.85, 1.1)), rng)


def star(rng: np.random.Generator) -> np.ndarray:
    """Return (10, 2) corners of a five-pointed star."""
    radii = np.tile((1.1, 1.1 * rng.uniform(0.4, 0.5)), STAR_POINTS)
    return _rotated(_regular(2 * STAR_POINTS) * radii[:, None], rng)


OUTLINES: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
}


def _regular(count: int) -> np.ndarray:
    """Return (count, 2) equidistant points on the unit circle, the first one at the top."""
    angles = np.arange(count) * (2 * np.pi / count) - np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def _rotated(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(-MAX_ROTATION, MAX_ROTATION)
    cos, sin = np.cos(angle), np.sin(angle)
    rotated: np.ndarray = points @ np.array([(cos, sin), (-sin, cos)])
    return rotated
