"""What the losses need to know of a detection head."""

from dataclasses import dataclass

from torch import Tensor

from engine.models.yolo import YoloModel


@dataclass(frozen=True)
class HeadGeometry:
    """Legend of this package: L levels, A anchors per level, T targets, M candidates."""

    anchors_LA2: Tensor
    """w, h in grid cells of the level."""
    stride_L: tuple[float, ...]
    """Pixels per grid cell."""
    nc: int

    @classmethod
    def of(cls, model: YoloModel) -> "HeadGeometry":
        """The geometry of a model's head; `anchors` is the live buffer, so an anchor search is seen."""
        return cls(model.head.anchors, tuple(float(s) for s in model.stride), model.nc)
