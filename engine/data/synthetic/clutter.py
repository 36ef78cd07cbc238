"""Cluttered backgrounds for the demo images: gradients, smooth noise, lines, arcs and small polygons."""

import cv2
import numpy as np

REFERENCE_SIZE = 128
"""Lengths below are given for images of this size and grow with it."""


def draw_background(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a random background, (size, size, 3) float32 BGR, 0 to 255."""
    pixels = _gradient(size, rng) + _clouds(size, rng)
    pixels = np.ascontiguousarray(pixels.clip(0, 255), dtype=np.float32)
    scale = size / REFERENCE_SIZE
    for draw, max_count in ((_line, 5), (_arc, 3), (_scrap, 6)):
        for _ in range(int(rng.integers(0, max_count + 1))):
            draw(pixels, scale, rng)
    return pixels


def _gradient(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a gradient between two random colours, along a random direction."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    share = (x * np.cos(angle) + y * np.sin(angle) + 0.5).clip(0, 1)[:, :, None]
    first = rng.uniform(30, 225, 3)
    return first + share * (rng.uniform(30, 225, 3) - first)


def _clouds(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw smooth noise."""
    cells = int(rng.integers(3, 12))
    coarse = rng.normal(0, rng.uniform(5, 25), (cells, cells, 3)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def _line(pixels: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    start, end = (tuple(int(v) for v in rng.integers(0, len(pixels), 2)) for _ in range(2))
    cv2.line(pixels, start, end, _colour(rng), _thickness(scale, rng), cv2.LINE_AA)


def _arc(pixels: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    """Draw an open arc of an ellipse."""
    centre = tuple(int(v) for v in rng.integers(0, len(pixels), 2))
    axes = tuple(max(2, int(v * scale)) for v in rng.uniform(8, 45, 2))
    first, turn = rng.uniform(0, 360, 2)
    last = first + rng.uniform(40, 220)
    cv2.ellipse(pixels, centre, axes, turn, first, last, _colour(rng), _thickness(scale, rng), cv2.LINE_AA)


def _scrap(pixels: np.ndarray, scale: float, rng: np.random.Generator) -> None:
    """Draw a small irregular polygon, smaller than every labelled shape."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
    radii = rng.uniform(2, 7, len(angles)) * scale
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None] + rng.uniform(0, len(pixels), 2)
    cv2.fillPoly(pixels, [np.round(points).astype(np.int32)], _colour(rng), cv2.LINE_AA)


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    blue, green, red = rng.uniform(0, 255, 3)
    return float(blue), float(green), float(red)


def _thickness(scale: float, rng: np.random.Generator) -> int:
    return max(1, round(rng.uniform(1, 3) * scale))
