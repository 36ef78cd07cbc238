"""Final evaluations, with pycocotools and the lines that YOLOv7 prints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.console.say import say
from engine.contracts.events import emit
from engine.contracts.result import EvaluationResult
from engine.data.config import DataConfig
from engine.data.loader import BatchLoader
from engine.evaluate.matches import SUFFIX
from engine.evaluate.predictors import Predictor
from engine.evaluate.validate import validate
from engine.evaluate.validation import evaluation_result
from engine.models.blocks import RepConv
from engine.models.fuse import fuse_model
from engine.models.heads import IDetect
from engine.models.summary import summarize
from engine.models.yolo import YoloModel


def fuse_and_report(model: YoloModel) -> YoloModel:
    """Fuse a model, and print YOLOv7's lines about it and its summary."""
    print("Fusing layers... ", flush=True)
    for module in model.modules():
        if isinstance(module, RepConv):
            print("RepConv.fuse_repvgg_block", flush=True)
        elif isinstance(module, IDetect):
            print("IDetect.fuse", flush=True)
    fused = fuse_model(model)
    say(str(summarize(fused)))
    return fused


def final_evaluation(
    predictor: Predictor,
    loader: BatchLoader,
    data: DataConfig,
    *,
    label: str,
    weights: str,
    predictions: Path,
    settings: Mapping[str, Any],
    split: str = "val",
) -> EvaluationResult:
    """Evaluate with pycocotools, and save the matches. Events before and after the rows say what is evaluated.

    Args:
        predictor: the model.
        loader: from `val_loader`.
        data: the data set.
        label: `float`, `PTQ`, …
        weights: the file, as the log and `result.json` name it.
        predictions: file for the detections; the matches are saved beside it.
        settings: `conf_thres`, `iou_thres` and other arguments of `validate`.
        split: the name of the split that the loader reads.
    """
    emit("evaluating", label=label, weights=weights)
    validation = validate(predictor, loader, data, split=split, predictions=predictions, **settings)
    matches = predictions.with_name(predictions.stem.removesuffix("_predictions") + SUFFIX)
    assert validation.matches is not None
    validation.matches.save(matches)
    result = evaluation_result(
        validation, label=label, weights=weights, backend=predictor.backend, matches=matches.name
    )
    emit(
        "evaluation",
        label=label,
        weights=weights,
        backend=predictor.backend,
        metrics=result.metrics,
        settings=result.settings.model_dump(),
    )
    return result
