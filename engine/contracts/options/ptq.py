"""Options of `ptq`."""

from typing import Literal

from engine.contracts.options.base import option
from engine.contracts.options.evaluate import EvaluationOptions, Letterbox

Calibrator = Literal["max", "mse", "percentile", "entropy", "auto"]


class PtqOptions(EvaluationOptions):
    """Insert quantizers, calibrate them on training images, evaluate float and PTQ alike."""

    weights: str = option(..., "float checkpoint (.pt)")
    data: str = option(..., "data set YAML; calibration takes images of its `train` split")
    img_size: int = option(640, "image size in pixels", flags=("--img", "--imgsz"), ge=32)
    batch_size: int = option(8, "images per batch", ge=1)
    calibrator: Calibrator = option(
        "mse", "how an activation's range is chosen from what was seen; `auto` tries all and keeps the best"
    )
    percentile: float = option(99.99, "share kept by `--calibrator percentile`, in percent", gt=50, le=100)
    calib_images: int = option(256, "training images to calibrate on, without augmentation", ge=1)
    keep_float: list[str] = option(
        ["default"],
        "regular expressions of module paths that stay float; `default`: the model's own choice; `none`: nothing;"
        " `@FILE`: one per line, as `sensitivity` writes them, or `REGEX=WIDTH` as for --layer-bits",
    )
    bits: int = option(8, "bits of the activations; only 8 can be exported", ge=2, le=8)
    weight_bits: int = option(8, "bits of the weights; fewer are exported as int8 that uses fewer values", ge=2, le=8)
    layer_bits: list[str] = option(
        [],
        "other widths of single convolutions, such as 'model.2.*=4' or 'model.77=w4a8'; an input that several share"
        " gets the largest of theirs",
    )
    bias_correction: bool = option(False, "shift biases to the float model's means; kept only if the head gets closer")
    backend: Literal["pytorch-quantization", "modelopt"] = option(
        "pytorch-quantization",
        "library of the quantizers, which the checkpoint then keeps; `modelopt` is NVIDIA's successor, and needs"
        " pip install 'yoloqat[modelopt]'",
    )
    proxy_images: int = option(16, "calibration images that `auto` and bias correction compare on", ge=1)
    letterbox: Letterbox = option(
        "square", "image shape of calibration and evaluation; `square` is what the ONNX file will see"
    )
    device: str = option("", "`cpu`, or a CUDA device such as 0; empty takes a GPU if there is one")
    workers: int = option(4, "processes that load images", ge=0)
    seed: int = option(0, "seed of the choice of calibration images", ge=0)
    notest: bool = option(False, "do not evaluate")
