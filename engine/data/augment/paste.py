"""Copy-paste augmentations: objects are cut out along their polygons and pasted elsewhere.

Objects without a polygon are never pasted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from engine.data.augment.augmentation import Scene
from engine.data.boxes import overlap_of_boxes

MAX_COVERED = 0.30
"""Largest share of an existing box that a pasted object may cover."""
PASTE_SIZES = [0.75] * 2 + [0.5] * 4 + [0.25] * 4 + [0.125] * 4 + [0.0625] * 6
SKIP_PROBABILITY = 0.2
MIN_REGION_SIDE = 20
"""Both sides of the region for an object must be longer than this, in pixels."""
MIN_SIDE = 10
MIN_PIXELS = 20
"""Objects with no more mask pixels than this after scaling are not pasted."""


@dataclass(frozen=True)
class Cutout:
    """One object: its class, the pixels of its box, and which of them belong to it."""

    label: float
    pixels: np.ndarray
    mask: np.ndarray
    """(h, w) uint8, 1 inside the polygon."""


def copy_paste(scene: Scene, share: float, rng: np.random.Generator) -> Scene:
    """Paste mirrored copies of a share of the objects with polygons, where they cover no other object."""
    polygon_indices = [i for i, polygon in enumerate(scene.polygons) if len(polygon)]
    count = round(share * len(polygon_indices))
    if not count:
        return scene
    width = scene.pixels.shape[1]
    pixels = scene.pixels.copy()
    labels, polygons = list(scene.labels), list(scene.polygons)
    for i in rng.permutation(polygon_indices)[:count]:
        x1, y1, x2, y2 = scene.labels[i, 1:]
        mirrored = np.array((width - x2, y1, width - x1, y2), np.float32)
        if (overlap_of_boxes(mirrored, np.stack(labels)[:, 1:]) >= MAX_COVERED).any():
            continue
        cutout = cut_out(scene.pixels, scene.labels[i, 0], scene.polygons[i])
        if cutout is None:
            continue
        left, top = _corner(scene.polygons[i])
        flipped_left = width - left - cutout.mask.shape[1]
        _draw(pixels, cutout.pixels[:, ::-1], cutout.mask[:, ::-1], flipped_left, top)
        labels.append(np.concatenate([scene.labels[i, :1], mirrored]))
        polygons.append(scene.polygons[i] * (-1, 1) + np.array((width, 0), np.float32))
    return Scene(pixels, np.stack(labels).astype(np.float32), polygons)


def paste_in(scene: Scene, next_cutout: Callable[[], Cutout | None], rng: np.random.Generator) -> Scene:
    """Paste objects of other images at random places and sizes, where they cover no other object.

    Args:
        scene: the image to paste onto.
        next_cutout: returns a random object at each call; None if there is none.
        rng: source of randomness.
    """
    pixels = scene.pixels.copy()
    labels, polygons = list(scene.labels), list(scene.polygons)
    for left, top, right, bottom in _free_regions(scene, labels, rng):
        cutout = next_cutout()
        if cutout is None:
            break
        height, width = cutout.mask.shape
        scale = min((bottom - top) / height, (right - left) / width)
        w, h = int(width * scale), int(height * scale)
        if w <= MIN_SIDE or h <= MIN_SIDE:
            continue
        mask = cv2.resize(cutout.mask, (w, h), interpolation=cv2.INTER_NEAREST)
        if np.count_nonzero(mask) <= MIN_PIXELS:
            continue
        _draw(pixels, cv2.resize(cutout.pixels, (w, h)), mask, left, top)
        labels.append(np.array((cutout.label, left, top, left + w, top + h), np.float32))
        if polygons:
            polygons.append(np.zeros((0, 2), np.float32))
    all_labels = np.stack(labels).astype(np.float32) if labels else scene.labels
    return Scene(pixels, all_labels, polygons)


def cut_out(pixels: np.ndarray, label: float, polygon: np.ndarray) -> Cutout | None:
    """Cut an object out of an image along its polygon (k, 2) in pixels; None if it lies outside the image."""
    height, width = pixels.shape[:2]
    left, top = _corner(polygon)
    right, bottom = (int(v) for v in np.ceil(polygon.max(0)).clip(0, (width, height)))
    if right <= left or bottom <= top:
        return None
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [np.round(polygon - (left, top)).astype(np.int32)], 1)
    return Cutout(float(label), pixels[top:bottom, left:right], mask)


def _corner(polygon: np.ndarray) -> tuple[int, int]:
    """Return left and top of the box around a polygon, at least 0."""
    left, top = (int(v) for v in np.floor(polygon.min(0)).clip(0))
    return left, top


def _draw(canvas: np.ndarray, pixels: np.ndarray, mask: np.ndarray, left: int, top: int) -> None:
    """Copy the masked pixels onto the canvas, cropped at its borders."""
    height, width = canvas.shape[:2]
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if x1 >= x2 or y1 >= y2:
        return
    inside = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
    np.copyto(canvas[y1:y2, x1:x2], pixels[inside], where=mask[inside][:, :, None].astype(bool))


def _free_regions(
    scene: Scene, labels: list[np.ndarray], rng: np.random.Generator
) -> Iterator[tuple[int, int, int, int]]:
    """Yield random regions from large to small that cover no label, including labels pasted in the meantime."""
    height, width = scene.pixels.shape[:2]
    for size in PASTE_SIZES:
        if rng.random() < SKIP_PROBABILITY:
            continue
        h = int(rng.integers(1, max(2, int(height * size) + 1)))
        w = int(rng.integers(1, max(2, int(width * size) + 1)))
        left = max(0, int(rng.integers(0, width + 1)) - w // 2)
        top = max(0, int(rng.integers(0, height + 1)) - h // 2)
        right, bottom = min(width, left + w), min(height, top + h)
        if right - left <= MIN_REGION_SIDE or bottom - top <= MIN_REGION_SIDE:
            continue
        region = np.array((left, top, right, bottom), np.float32)
        if labels and (overlap_of_boxes(region, np.stack(labels)[:, 1:]) >= MAX_COVERED).any():
            continue
        yield left, top, right, bottom
