"""Options of `qat`."""

from typing import Literal

from engine.contracts.options.base import option
from engine.contracts.options.evaluate import EvaluationOptions, Letterbox


class QatOptions(EvaluationOptions):
    """Fine-tune a calibrated model with fake quantization, evaluate each epoch, keep the best of PTQ and QAT."""

    weights: str = option(..., "checkpoint written by `ptq` (.pt)")
    data: str = option(..., "data set YAML")
    preset: Literal["ours", "nvidia"] = option(
        "ours",
        "`ours`: the detection loss and the distance to the float model; `nvidia`: the label-free schedule of NVIDIA's"
        " yolov7_qat, to compare with, which takes hyp.qat-nvidia.yaml unless another --hyp is given",
    )
    hyp: str = option("hyp.qat.yaml", "hyperparameter YAML")
    epochs: int = option(10, "epochs", ge=1)
    batch_size: int = option(16, "images per batch", ge=1)
    img_size: int = option(640, "image size in pixels", flags=("--img", "--imgsz"), ge=32)
    lr0: float | None = option(None, "initial learning rate; overrides the hyperparameter file", gt=0)
    ema: float | None = option(
        None,
        "decay of averaged weights, such as 0.99, which are then evaluated and kept; 0 switches them off;"
        " overrides the hyperparameter file",
        ge=0,
        lt=1,
    )
    lsq: bool = option(False, "learn the ranges, too (LSQ); for 4 to 6 bits")
    max_batches: int = option(0, "batches per epoch; 0 takes all", ge=0)
    letterbox: Letterbox = option("square", "image shape of the evaluation; `square` is what the ONNX file will see")
    device: str = option("", "`cpu`, or a CUDA device such as 0; empty takes a GPU if there is one")
    workers: int = option(4, "processes that load images", ge=0)
    resume: bool = option(False, "go on from this run's weights/last.pt")
    seed: int = option(0, "seed of shuffling and augmentation", ge=0)
