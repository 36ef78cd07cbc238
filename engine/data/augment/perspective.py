"""Random rotation, scale, shear, translation and perspective of an image and its objects."""

import math

import cv2
import numpy as np

from engine.data.augment.augmentation import Augmentation, Scene
from engine.data.letterbox import FILL_COLOUR

POLYGON_POINTS = 1000
MIN_SIDE = 2.0
MAX_ASPECT = 20.0
MIN_AREA_BOX, MIN_AREA_POLYGON = 0.10, 0.01
"""Share of the area that must stay visible; lower for polygons, since a box around a rotated box grows."""


def random_perspective(
    scene: Scene, augmentation: Augmentation, rng: np.random.Generator, border: tuple[int, int] = (0, 0)
) -> Scene:
    """Transform a scene at random; clip boxes to the result and drop those that are hardly visible.

    Args:
        scene: the image with objects.
        augmentation: ranges of the random parameters.
        rng: source of randomness.
        border: pixels added above and below, left and right; negative values crop, as after a mosaic.
    """
    height = scene.pixels.shape[0] + 2 * border[0]
    width = scene.pixels.shape[1] + 2 * border[1]
    matrix, scale = random_matrix(scene.pixels.shape[:2], (height, width), augmentation, rng)
    pixels = scene.pixels
    if border != (0, 0) or not np.array_equal(matrix, np.eye(3)):
        if augmentation.perspective:
            pixels = cv2.warpPerspective(pixels, matrix, dsize=(width, height), borderValue=FILL_COLOUR)
        else:
            pixels = cv2.warpAffine(pixels, matrix[:2], dsize=(width, height), borderValue=FILL_COLOUR)
    return _transform_objects(scene, pixels, matrix, scale)


def random_matrix(
    image_hw: tuple[int, int], result_hw: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draw a random 3×3 matrix from pixels of the image to pixels of the result; return it and its scale factor."""
    a = augmentation
    centre, project, shear, translate = np.eye(3), np.eye(3), np.eye(3), np.eye(3)
    centre[0, 2], centre[1, 2] = -image_hw[1] / 2, -image_hw[0] / 2
    project[2, 0], project[2, 1] = rng.uniform(-a.perspective, a.perspective, 2)
    angle = math.radians(rng.uniform(-a.degrees, a.degrees))
    scale = float(rng.uniform(1 - a.scale, 1.1 + a.scale))
    rotate = np.eye(3)
    rotate[0, :2] = scale * math.cos(angle), scale * math.sin(angle)
    rotate[1, :2] = -scale * math.sin(angle), scale * math.cos(angle)
    shear[0, 1], shear[1, 0] = np.tan(np.radians(rng.uniform(-a.shear, a.shear, 2)))
    translate[0, 2] = rng.uniform(0.5 - a.translate, 0.5 + a.translate) * result_hw[1]
    translate[1, 2] = rng.uniform(0.5 - a.translate, 0.5 + a.translate) * result_hw[0]
    return translate @ shear @ rotate @ project @ centre, scale


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Transform points (n, 2) by a 3×3 matrix, and divide by the third coordinate."""
    homogeneous = np.concatenate([points, np.ones((len(points), 1), points.dtype)], 1) @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def _transform_objects(scene: Scene, pixels: np.ndarray, matrix: np.ndarray, scale: float) -> Scene:
    labels = scene.labels
    if not len(labels):
        return Scene(pixels, labels, [])
    height, width = pixels.shape[:2]
    boxes = _transform_boxes(labels[:, 1:], matrix, width, height)
    min_area = np.full(len(labels), MIN_AREA_BOX)
    polygons = scene.polygons
    point_counts = np.array([len(polygon) for polygon in polygons], np.int64)
    if point_counts.any():
        transformed_points = transform_points(np.concatenate(polygons), matrix).astype(np.float32)
        polygons = np.split(transformed_points, point_counts.cumsum()[:-1])
        has_polygon = point_counts > 0
        boxes[has_polygon] = _visible_boxes(transformed_points, point_counts[has_polygon], width, height)
        min_area[has_polygon] = MIN_AREA_POLYGON
    keep = _usable_boxes(labels[:, 1:] * scale, boxes, min_area)
    visible_labels = np.concatenate([labels[keep, :1], boxes[keep]], 1).astype(np.float32)
    return Scene(pixels, visible_labels, [polygons[i] for i in np.flatnonzero(keep)] if polygons else [])


def _transform_boxes(boxes: np.ndarray, matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the boxes around transformed boxes (n, 4) x1, y1, x2, y2, clipped to width and height."""
    corners = boxes[:, [0, 1, 2, 3, 0, 3, 2, 1]].reshape(-1, 2)
    corners = transform_points(corners, matrix).reshape(-1, 4, 2)
    top_left, bottom_right = corners.min(1), corners.max(1)
    limits = (width, height)
    return np.concatenate([top_left.clip(0, limits), bottom_right.clip(0, limits)], 1)


def _visible_boxes(points: np.ndarray, point_counts: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return boxes (n, 4) around the visible parts of n polygons with joined points (m, 2); zeros if invisible."""
    ends = point_counts.cumsum()
    starts = ends - point_counts
    top_left, bottom_right = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    limits = np.array((width, height), np.float32)
    inside = ((top_left >= 0) & (bottom_right <= limits)).all(1)
    outside = ((bottom_right < 0) | (top_left > limits)).any(1)
    boxes = np.concatenate([top_left, bottom_right], 1)
    boxes[outside] = 0
    for i in np.flatnonzero(~inside & ~outside):
        boxes[i] = _visible_box(points[starts[i] : ends[i]], limits)
    return boxes


def _visible_box(polygon: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the box around the part of a polygon (k, 2) between 0 and the limits; zeros if there is none."""
    closed = np.concatenate([polygon, polygon[:1]])
    positions, corner_positions = np.linspace(0, len(polygon), POLYGON_POINTS), np.arange(len(closed))
    outline = np.stack([np.interp(positions, corner_positions, closed[:, axis]) for axis in (0, 1)], 1)
    outline = outline[((outline >= 0) & (outline <= limits)).all(1)]
    return np.concatenate([outline.min(0), outline.max(0)]) if len(outline) else np.zeros(4)


def _usable_boxes(before: np.ndarray, after: np.ndarray, min_area: np.ndarray) -> np.ndarray:
    """Return a mask of boxes (n, 4) that are large and visible enough after the transformation, and not too narrow."""
    w1, h1 = before[:, 2] - before[:, 0], before[:, 3] - before[:, 1]
    w2, h2 = after[:, 2] - after[:, 0], after[:, 3] - after[:, 1]
    aspect = np.maximum(w2 / (h2 + 1e-16), h2 / (w2 + 1e-16))
    return (w2 > MIN_SIDE) & (h2 > MIN_SIDE) & (w2 * h2 / (w1 * h1 + 1e-16) > min_area) & (aspect < MAX_ASPECT)
