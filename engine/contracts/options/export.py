"""Options of `export`."""

from typing import Literal

from engine.contracts.options.base import option
from engine.contracts.options.evaluate import EvaluationOptions, Letterbox


class ExportOptions(EvaluationOptions):
    """Write ONNX, check it against PyTorch in ONNX Runtime, and evaluate it there on the same images."""

    weights: str = option(..., "checkpoint (.pt): float, PTQ or QAT")
    data: str = option("", "data set YAML; with it, the exported file is evaluated in ONNX Runtime")
    img_size: int = option(640, "image size in pixels; fixed in the file", flags=("--img", "--imgsz"), ge=32)
    opset: int = option(13, "ONNX opset; TensorRT 8 reads 13", ge=13, le=20)
    dynamic_batch: bool = option(True, "leave the batch size open")
    heads: Literal["decoded", "raw"] = option(
        "decoded", "`decoded`: boxes in pixels and scores; `raw`: an output per level, for decoders of other programs"
    )
    nms: Literal["none", "onnx", "efficientnms"] = option(
        "none",
        "end the file in NMS: `onnx` by ONNX's own operators; `efficientnms` by TensorRT's plugin, for TensorRT alone."
        " The same file without it stands beside it",
    )
    max_detections: int = option(100, "with --nms: detections that an image has room for", ge=1, le=3840)
    score_threshold: float = option(0.25, "with --nms: detections that score no more are dropped", ge=0, lt=1)
    iou_threshold: float = option(
        0.45, "with --nms: of two in a class that overlap more, the lower is dropped", ge=0, le=1
    )
    trt_batches: list[int] = option(
        [1, 8, 16], "least, usual and largest batch in the printed trtexec commands", min_length=3, max_length=3
    )
    batch_size: int = option(8, "images per batch of the evaluation", ge=1)
    letterbox: Letterbox = option("square", "an exported file takes square images; `rect` is refused")
    workers: int = option(4, "processes that load images", ge=0)
    tolerance: float = option(0.02, "largest relative difference to PyTorch that is accepted", gt=0)
    notest: bool = option(False, "do not evaluate")
