"""The augmentation settings of a hyperparameter file, and the image with objects that augmentations transform."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from engine.contracts.errors import YoloqatError


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied. Names and meaning as in YOLOv7's hyperparameter files; zero disables."""

    hsv_h: float = 0.0
    hsv_s: float = 0.0
    hsv_v: float = 0.0
    degrees: float = 0.0
    translate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    perspective: float = 0.0
    flipud: float = 0.0
    fliplr: float = 0.0
    mosaic: float = 0.0
    mixup: float = 0.0
    copy_paste: float = 0.0
    paste_in: float = 0.0

    @classmethod
    def from_hyp(cls, hyp: Mapping[str, object]) -> "Augmentation":
        """Read the augmentation keys of a hyperparameter file; a missing key is zero.

        Raises:
            YoloqatError: a value is not a number, or a probability is outside 0 to 1.
        """
        values = {}
        for key in (f.name for f in fields(cls)):
            value = hyp.get(key, 0.0)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise YoloqatError(f"the hyperparameter `{key}` must be a number, not {value!r}", hint="Correct it.")
            limit = 1.0 if key in PROBABILITIES else float("inf")
            if not 0 <= value <= limit:
                raise YoloqatError(
                    f"the hyperparameter `{key}` is {value}, out of range",
                    hint=f"It must be at least 0{' and at most 1' if limit == 1 else ''}.",
                )
            values[key] = float(value)
        return cls(**values)


PROBABILITIES = frozenset({"flipud", "fliplr", "mosaic", "mixup", "copy_paste", "paste_in"})


@dataclass
class Scene:
    """An image with its objects, in pixels."""

    pixels: np.ndarray
    """(h, w, 3) uint8 BGR."""
    labels: np.ndarray
    """(n, 5) float32: class, x1, y1, x2, y2."""
    polygons: list[np.ndarray] = field(default_factory=list)
    """Empty if the data set has no polygons; else one (k, 2) float32 polygon per label, k = 0 for a box."""
