"""Letterboxing: fit an image into a rectangle by scaling and grey padding, keeping its aspect ratio."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

FILL = 114
FILL_COLOUR = (FILL, FILL, FILL)


@dataclass(frozen=True)
class LetterboxGeometry:
    """Position of an image inside its letterbox, in pixels."""

    ratio: tuple[float, float]
    """Scale of width and height."""
    pad: tuple[float, float]
    """Padding left (= right) and top (= bottom) before rounding."""
    size: tuple[int, int]
    """Width and height of the scaled image."""
    left: int
    top: int
    right: int
    bottom: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.size[1] + self.top + self.bottom, self.size[0] + self.left + self.right


def letterbox_geometry(
    image_hw: tuple[int, int],
    shape: int | tuple[int, int] = 640,
    *,
    auto: bool = True,
    scale_fill: bool = False,
    scale_up: bool = True,
    stride: int = 32,
) -> LetterboxGeometry:
    """Compute where an image of a given height and width lies in a letterbox.

    Args:
        image_hw: height and width of the image.
        shape: height and width of the letterbox, or its side.
        auto: pad only up to the next multiple of `stride`.
        scale_fill: stretch to the whole shape, without padding (needs `auto=False`).
        scale_up: allow enlarging.
        stride: see `auto`.
    """
    height, width = image_hw
    new_h, new_w = (shape, shape) if isinstance(shape, int) else shape
    scale = min(new_h / height, new_w / width)
    if not scale_up:
        scale = min(scale, 1.0)
    ratio = (scale, scale)
    size = (round(width * scale), round(height * scale))
    dw, dh = float(new_w - size[0]), float(new_h - size[1])
    if auto:
        dw, dh = math.fmod(dw, stride), math.fmod(dh, stride)
    elif scale_fill:
        dw, dh, size, ratio = 0.0, 0.0, (new_w, new_h), (new_w / width, new_h / height)
    dw, dh = dw / 2, dh / 2
    return LetterboxGeometry(
        ratio,
        (dw, dh),
        size,
        left=round(dw - 0.1),
        top=round(dh - 0.1),
        right=round(dw + 0.1),
        bottom=round(dh + 0.1),
    )


def letterbox(image: np.ndarray, geometry: LetterboxGeometry) -> np.ndarray:
    """Scale (bilinear) and pad an image (h, w, 3) uint8."""
    if image.shape[1::-1] != geometry.size:
        image = cv2.resize(image, geometry.size, interpolation=cv2.INTER_LINEAR)
    g = geometry
    if not (g.left or g.right or g.top or g.bottom):
        return image
    return cv2.copyMakeBorder(image, g.top, g.bottom, g.left, g.right, cv2.BORDER_CONSTANT, value=FILL_COLOUR)
