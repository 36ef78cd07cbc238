"""Helpers of the stages that write an ONNX file: images to compare it on, and its evaluation."""

from pathlib import Path

import torch
from torch import Tensor

from engine.contracts.options.export import ExportOptions
from engine.contracts.options.int8 import Int8Options
from engine.contracts.result import EvaluationResult
from engine.data.config import DataConfig
from engine.data.loader import val_loader
from engine.data.network_input import to_network
from engine.evaluate.final import final_evaluation
from engine.evaluate.predictors import OnnxPredictor
from engine.stages.session import Session


def comparison_images(data: DataConfig | None, size: int, count: int, *, stride: int = 32) -> Tensor:
    """Load or draw images on which to compare two models.

    Args:
        data: take images of its validation split; None draws random pixels with a fixed seed.
        size: their width and height in pixels.
        count: largest number of images.

    Returns:
        (N, 3, size, size) float32, 0 to 1.
    """
    if data is None:
        return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    loader = val_loader(data, "val", size, 1, letterbox="square", workers=0, stride=stride, limit=count)
    return torch.cat([to_network(batch[0], torch.device("cpu")) for batch in loader]).contiguous()


def evaluate_onnx(
    path: Path,
    options: ExportOptions | Int8Options,
    session: Session,
    data: DataConfig,
    size: int,
    *,
    label: str,
    predictions: str,
    stride: int = 32,
) -> EvaluationResult:
    """Evaluate a file of `export/` in ONNX Runtime on the validation split.

    Args:
        size: width and height in pixels that the file expects.
        predictions: name of the pycocotools file in the run folder.
    """
    loader = val_loader(
        data, "val", size, options.batch_size, letterbox="square", workers=options.workers, stride=stride
    )
    return final_evaluation(
        OnnxPredictor(path),
        loader,
        data,
        label=label,
        weights=f"export/{path.name}",
        predictions=session.run_dir / predictions,
        settings={"conf_thres": options.conf_thres, "iou_thres": options.iou_thres},
    )
