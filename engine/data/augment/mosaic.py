"""Mosaics of four or nine images on a canvas of twice the image size, and mixup of two scenes."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from engine.data.augment.augmentation import Scene
from engine.data.boxes import fractions_to_pixels
from engine.data.letterbox import FILL

Tile = tuple[np.ndarray, np.ndarray, list[np.ndarray]]
"""Pixels (h, w, 3); labels (n, 5) class, cx, cy, w, h; one polygon (k, 2) per label, or []. All in fractions."""

CornerFunction = Callable[[int, int], tuple[int, int]]
"""Width and height of a tile → its left and top on the canvas."""


def mosaic4(tiles: Sequence[Tile], size: int, rng: np.random.Generator) -> Scene:
    """Place four images around a random point of a canvas of 2·size pixels, cropped at its borders."""
    yc, xc = (int(rng.uniform(size / 2, 3 * size / 2)) for _ in range(2))
    corner_functions: tuple[CornerFunction, ...] = (
        lambda w, h: (xc - w, yc - h),
        lambda w, h: (xc, yc - h),
        lambda w, h: (xc - w, yc),
        lambda w, h: (xc, yc),
    )
    corners = []
    for (pixels, _, _), corner_of in zip(tiles, corner_functions, strict=True):
        height, width = pixels.shape[:2]
        corners.append(corner_of(width, height))
    return _compose(tiles, corners, size)


def mosaic9(tiles: Sequence[Tile], size: int, rng: np.random.Generator) -> Scene:
    """Place eight images around the first one, and crop a random window of 2·size pixels."""
    yc, xc = (int(rng.uniform(0, size)) for _ in range(2))
    s = size
    h0, w0 = tiles[0][0].shape[:2]
    hp, wp = h0, w0
    corners = []
    for i, (pixels, _, _) in enumerate(tiles):
        h, w = pixels.shape[:2]
        x, y = (
            (s, s),
            (s, s - h),
            (s + wp, s - h),
            (s + w0, s),
            (s + w0, s + hp),
            (s + w0 - w, s + h0),
            (s + w0 - wp - w, s + h0),
            (s - w, s + h0 - h),
            (s - w, s + h0 - hp - h),
        )[i]
        corners.append((x - xc, y - yc))
        hp, wp = h, w
    return _compose(tiles, corners, size)


def mixup(first: Scene, second: Scene, rng: np.random.Generator) -> Scene:
    """Blend two scenes of equal size, each with about half the weight."""
    weight = float(rng.beta(8.0, 8.0))
    pixels = cv2.addWeighted(first.pixels, weight, second.pixels, 1 - weight, 0.0)
    labels = np.concatenate([first.labels, second.labels])
    return Scene(pixels, labels, first.polygons + second.polygons)


def _compose(tiles: Sequence[Tile], corners: Sequence[tuple[int, int]], size: int) -> Scene:
    """Draw tiles at `corners` (left, top) onto a canvas of 2·size pixels; later tiles cover earlier ones."""
    side = 2 * size
    canvas = np.full((side, side, 3), FILL, np.uint8)
    labels, polygons = [], []
    for (pixels, tile_rows, tile_outlines), (left, top) in zip(tiles, corners, strict=True):
        height, width = pixels.shape[:2]
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + width, side), min(top + height, side)
        if x1 < x2 and y1 < y2:
            canvas[y1:y2, x1:x2] = pixels[y1 - top : y2 - top, x1 - left : x2 - left]
        labels.append(tile_labels(tile_rows, width, height, left, top))
        polygons += [outline * (width, height) + (left, top) for outline in tile_outlines]
    all_labels = np.concatenate(labels)
    all_labels[:, 1:].clip(0, side, out=all_labels[:, 1:])
    return Scene(canvas, all_labels, [p.clip(0, side).astype(np.float32) for p in polygons])


def tile_labels(rows: np.ndarray, width: int, height: int, left: float = 0.0, top: float = 0.0) -> np.ndarray:
    """Convert labels (n, 5) from fractions of a tile to corners in pixels, with the tile at (left, top)."""
    return np.concatenate([rows[:, :1], fractions_to_pixels(rows[:, 1:], width, height, left, top)], 1)
