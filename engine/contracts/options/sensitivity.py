"""Options of `sensitivity`."""

from typing import Literal

from engine.contracts.options.base import option
from engine.contracts.options.evaluate import EvaluationOptions, Letterbox


class SensitivityOptions(EvaluationOptions):
    """Measure what quantizing each convolution costs, and write which to leave float under a budget."""

    weights: str = option(..., "PTQ checkpoint (.pt)")
    data: str = option(..., "data set YAML")
    img_size: int = option(640, "image size in pixels", flags=("--img", "--imgsz"), ge=32)
    method: Literal["output", "map"] = option(
        "output",
        "`output`: one convolution quantized at a time, against the head's output, without labels, in seconds;"
        " `map`: one left float at a time, by mAP, exact and slow",
    )
    images: int = option(16, "training images that outputs are compared on", ge=1)
    min_int8: float = option(0.9, "share of the multiply-adds that must stay in int8", ge=0, le=1)
    max_drop: float = option(0.0, "largest drop of mAP@.5:.95 in points; 0 plans by the head's error alone", ge=0)
    error_share: float = option(0.5, "plan until the head's error has fallen to this share", ge=0, le=1)
    batch_size: int = option(16, "images per batch", ge=1)
    letterbox: Letterbox = option("square", "image shape of comparison and evaluation")
    device: str = option("", "`cpu`, or a CUDA device such as 0; empty takes a GPU if there is one")
    workers: int = option(4, "processes that load images", ge=0)
