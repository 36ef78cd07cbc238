"""Options of `evaluate`, and the evaluation options that other stages share."""

from typing import Literal

from engine.contracts.options.base import StageOptions, option

Letterbox = Literal["rect", "square"]


class EvaluationOptions(StageOptions):
    """What decides an mAP besides the weights; two evaluations are compared only where these agree."""

    conf_thres: float = option(0.001, "confidence threshold of the evaluation", ge=0, le=1)
    iou_thres: float = option(0.65, "IoU threshold of NMS in the evaluation", ge=0, le=1)
    letterbox: Letterbox = option(
        "rect",
        "`rect`: YOLOv7's batch shapes by aspect ratio; `square`: image size in both axes, as an ONNX file needs it",
    )


class EvaluateOptions(EvaluationOptions):
    """Evaluate weights on a data set. Takes the options of the original's `test.py`."""

    weights: str = option(..., "a .pt or .onnx file")
    data: str = option(..., "data set YAML")
    batch_size: int = option(32, "images per batch", ge=1)
    img_size: int = option(640, "image size in pixels", flags=("--img", "--imgsz"), ge=32)
    task: Literal["val", "test", "train"] = option("val", "the split to evaluate", flags=("--split",))
    device: str = option("", "`cpu`, or a CUDA device such as 0; empty takes a GPU if there is one")
    single_cls: bool = option(False, "treat all classes as one")
    verbose: bool = option(False, "print a row per class, also with 50 classes or more")
    v5_metric: bool = option(False, "AP with the recall curve extended to 1.0, as YOLOv5 computes it")
    workers: int = option(4, "processes that load images", ge=0)
    threads: int = option(0, "CPU threads of PyTorch or ONNX Runtime; 0 leaves the library's choice", ge=0)
    half: bool = option(False, "fp16 on CUDA, as the original evaluates")
    label: str = option("", "what to call the model in tables; empty derives it from the file")
