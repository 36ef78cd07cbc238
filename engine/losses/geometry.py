"""The shape of a detection head, as the losses use it."""

from dataclasses import dataclass

from torch import Tensor

from engine.models.yolo import YoloModel


@dataclass(frozen=True)
class HeadGeometry:
    """Anchors, strides and classes of a head.

    Suffixes of names in this package: L levels, A anchors per level, T targets, M candidates.
    """

    anchors_LA2: Tensor
    """w, h in grid cells of the level."""
    stride_L: tuple[float, ...]
    """Pixels per grid cell."""
    nc: int

    @classmethod
    def of(cls, model: YoloModel) -> "HeadGeometry":
        """Return the geometry of a model's head; the anchors are the live buffer, so replacing them takes effect."""
        return cls(model.head.anchors, tuple(float(s) for s in model.stride), model.nc)
