"""Random changes of hue, saturation and value."""

import cv2
import numpy as np

from engine.data.augment.augmentation import Augmentation


def random_hsv(pixels: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Multiply hue, saturation and value of an image (h, w, 3) uint8 BGR by random factors around 1."""
    ranges = np.array((augmentation.hsv_h, augmentation.hsv_s, augmentation.hsv_v))
    factors = rng.uniform(-1, 1, 3) * ranges + 1
    return scale_hsv(pixels, factors) if ranges.any() else pixels


def scale_hsv(pixels: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Multiply hue (modulo the circle), saturation and value (clipped) by three factors, by lookup tables."""
    levels = np.arange(256, dtype=np.float64)
    tables = np.empty((256, 1, 3), np.uint8)
    tables[:, 0, 0] = (levels * factors[0]) % 180
    tables[:, 0, 1] = (levels * factors[1]).clip(0, 255)
    tables[:, 0, 2] = (levels * factors[2]).clip(0, 255)
    result = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV), tables)
    return cv2.cvtColor(result, cv2.COLOR_HSV2BGR, dst=result)
