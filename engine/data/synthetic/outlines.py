"""Outlines of the demo's shapes, a little turned and flattened at random, in a box of about -1 to 1."""

from collections.abc import Callable, Mapping

import numpy as np

STAR_POINTS = 5
MAX_TURN = np.radians(25)
"""So that squares stand on a side and triangles point up: what a small network can learn in a minute."""


def circle(rng: np.random.Generator) -> np.ndarray:
    """(64, 2) points of a circle, slightly flattened."""
    return _turned(_regular(64) * (1, rng.uniform(0.85, 1.0)), rng)


def square(rng: np.random.Generator) -> np.ndarray:
    """(4, 2) corners of a square, one side up to a tenth longer than the other."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    return _turned(corners * (0.85, 0.85 * rng.uniform(0.9, 1.1)), rng)


def triangle(rng: np.random.Generator) -> np.ndarray:
    """(3, 2) corners of a nearly equilateral triangle."""
    return _turned(_regular(3) * 1.15 * (1, rng.uniform(0.85, 1.1)), rng)


def star(rng: np.random.Generator) -> np.ndarray:
    """(10, 2) corners of a five-pointed star."""
    radii = np.tile((1.1, 1.1 * rng.uniform(0.4, 0.5)), STAR_POINTS)
    return _turned(_regular(2 * STAR_POINTS) * radii[:, None], rng)


OUTLINES: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
}


def _regular(count: int) -> np.ndarray:
    """(count, 2) points on the unit circle at equal distances, the first one on top."""
    angles = np.arange(count) * (2 * np.pi / count) - np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def _turned(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(-MAX_TURN, MAX_TURN)
    cos, sin = np.cos(angle), np.sin(angle)
    turned: np.ndarray = points @ np.array([(cos, sin), (-sin, cos)])
    return turned
