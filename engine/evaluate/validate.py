"""The evaluation loop: run a predictor on a loader's images, and print YOLOv7's rows."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.console.tqdm_bar import Bar
from engine.contracts.errors import YoloqatError
from engine.contracts.result import EvaluationSettings
from engine.data.boxes import fractions_to_pixels
from engine.data.collate import Batch
from engine.data.config import DataConfig
from engine.data.dataset import Shapes, ValDataset
from engine.data.loader import BatchLoader
from engine.evaluate.boxes import scale_to_original
from engine.evaluate.coco import ImageDetections, evaluate_images, write_predictions
from engine.evaluate.matches import Matches
from engine.evaluate.matching import IOU_THRESHOLDS, match
from engine.evaluate.metrics import ap_per_class
from engine.evaluate.nms import MAX_DETECTIONS, non_max_suppression
from engine.evaluate.predictors import OnnxPredictor, Predictor, TorchPredictor
from engine.evaluate.validation import HEADER, Validation

MANY_CLASSES = 50
"""With so many classes or more, rows per class are printed only on request."""

ComputeLoss = Callable[[list[Tensor], Tensor], tuple[Tensor, Tensor]]
"""Raw outputs and targets (n, 6) → total loss, and its items box, obj, cls, total."""


def print_line(line: str) -> None:
    """Print and flush, so that a followed log shows the row at once."""
    print(line, flush=True)


def validate(
    predictor: Predictor,
    loader: BatchLoader,
    data: DataConfig,
    *,
    split: str = "val",
    conf_thres: float = 0.001,
    iou_thres: float = 0.65,
    max_det: int = MAX_DETECTIONS,
    compute_loss: ComputeLoss | None = None,
    single_cls: bool = False,
    v5_metric: bool = False,
    verbose: bool | None = None,
    predictions: Path | None = None,
    printer: Callable[[str], None] = print_line,
) -> Validation:
    """Evaluate, and print the bar, the `all` row and the other lines that YOLOv7 prints.

    Args:
        predictor: the model.
        loader: from `val_loader`.
        data: the data set, for the class names.
        split: the name of the split that the loader reads.
        conf_thres: see `non_max_suppression`.
        iou_thres: see `non_max_suppression`.
        max_det: see `non_max_suppression`; limited to that of the model's own NMS.
        compute_loss: loss to compute, during training; then no `Speed:` line is printed.
        single_cls: treat all classes as one.
        v5_metric: see `ap_per_class`.
        verbose: print a row per class; None: outside training with fewer than 50 classes.
        predictions: also run pycocotools, and write the detections to this file.
        printer: receives each line that goes to stdout.

    Raises:
        YoloqatError: the model does not fit the data, or ends in an NMS whose thresholds do not suffice.
    """
    if isinstance(predictor, OnnxPredictor) and predictor.nms is not None:
        predictor.nms.check(conf_thres, iou_thres)
        max_det = min(max_det, predictor.nms.max_detections)
    names = ("item",) if single_cls else data.names
    evaluation = _Evaluation(predictor, data.nc, single_cls, (conf_thres, iou_thres, max_det), compute_loss)
    for batch in Bar(loader, desc=HEADER):
        evaluation.step(batch)
    validation = evaluation.summary(loader, split, names, v5_metric)
    printer(validation.all_row())
    if verbose is None:
        verbose = len(names) < MANY_CLASSES and compute_loss is None
    for row in validation.class_rows() if verbose and len(names) > 1 else ():
        printer(row)
    if compute_loss is None:
        printer(validation.speed_line(loader.batch_size or 1))
    if predictions is None:
        return validation
    printer(f"\nEvaluating pycocotools mAP... saving {predictions}...")
    write_predictions(predictions, evaluation.images, data)
    return validation.with_coco(evaluate_images(evaluation.images, names), evaluation.matches(validation.settings))


class _Evaluation:
    """One evaluation, which collects detections, losses and times over its batches."""

    def __init__(
        self,
        predictor: Predictor,
        nc: int,
        single_cls: bool,
        thresholds: tuple[float, float, int],
        compute_loss: ComputeLoss | None,
    ) -> None:
        self.predictor = predictor
        self.nc = nc
        self.single_cls = single_cls
        self.thresholds = thresholds
        self.compute_loss = compute_loss
        self.images: list[ImageDetections] = []
        self.correct: list[np.ndarray] = []
        self.losses = torch.zeros(3, device=predictor.device)
        self.batches = 0
        self.inference_seconds = 0.0
        self.nms_seconds = 0.0

    def step(self, batch: Batch) -> None:
        """Evaluate one batch."""
        images, targets, paths, shapes = batch
        height, width = int(images.shape[2]), int(images.shape[3])
        batch_detections = self._detect(images, targets)
        target_rows = targets.numpy()
        for i, detections in enumerate(batch_detections):
            image_rows = target_rows[target_rows[:, 0] == i, 1:]
            labels = np.concatenate([image_rows[:, :1], fractions_to_pixels(image_rows[:, 1:], width, height)], 1)
            self._add_image(detections, labels, paths[i], shapes[i])

    def summary(self, loader: BatchLoader, split: str, names: Sequence[str], v5_metric: bool) -> Validation:
        """Compute the metrics of all batches."""
        dataset = loader.dataset
        assert isinstance(dataset, ValDataset)
        conf, iou, max_det = self.thresholds
        settings = EvaluationSettings(
            data=dataset.images.digest,
            split=split,
            images=len(self.images),
            image_size=dataset.img_size,
            letterbox=dataset.letterbox,
            conf_thres=conf,
            iou_thres=iou,
            max_det=max_det,
            ap="yolov5" if v5_metric else "yolov7",
        )
        labels = _concatenate([image.labels[:, 0] for image in self.images]).astype(np.int64)
        detections = _concatenate([image.detections for image in self.images], 6)
        correct = _concatenate(self.correct, len(IOU_THRESHOLDS)).astype(bool)
        seconds = {"inference": self.inference_seconds, "nms": self.nms_seconds}
        seconds["total"] = sum(seconds.values())
        box, obj, cls = (self.losses / max(self.batches, 1)).tolist()
        return Validation(
            settings=settings,
            names=names,
            class_metrics=ap_per_class(correct, detections[:, 4], detections[:, 5], labels, v5_metric=v5_metric),
            label_counts=np.bincount(labels, minlength=len(names)),
            losses=(box, obj, cls),
            milliseconds={key: 1e3 * value / max(len(self.images), 1) for key, value in seconds.items()},
        )

    def matches(self, settings: EvaluationSettings) -> Matches:
        """Return the matches of each image."""
        return Matches.collect(
            settings.data,
            settings.ap,
            [image.path for image in self.images],
            [image.detections for image in self.images],
            self.correct,
            [image.labels for image in self.images],
        )

    def _detect(self, images: Tensor, targets: Tensor) -> list[np.ndarray]:
        """Return detections (n, 6) of each image, in pixels of the batch."""
        self._check_size(images)
        device = self.predictor.device
        batch = images.to(device, non_blocking=True).float() / 255
        if isinstance(self.predictor, OnnxPredictor) and self.predictor.nms is not None:
            return self._detect_with_own_nms(self.predictor, batch)
        start = _synchronized_time(device)
        if self.compute_loss is None:
            decoded = self.predictor(batch)
        else:
            assert isinstance(self.predictor, TorchPredictor)
            decoded, raws = self.predictor.with_raw(batch)
        self.inference_seconds += _synchronized_time(device) - start
        if self.compute_loss is not None:
            with torch.no_grad():
                self.losses += self.compute_loss(raws, targets.to(device))[1][:3]
        self.batches += 1
        self._check_classes(decoded.shape[2] - 5)
        start = _synchronized_time(device)
        conf, iou, max_det = self.thresholds
        batch_detections = non_max_suppression(decoded, conf, iou, multi_label=True, max_det=max_det)
        self.nms_seconds += _synchronized_time(device) - start
        return [detections.cpu().numpy() for detections in batch_detections]

    def _detect_with_own_nms(self, predictor: OnnxPredictor, batch: Tensor) -> list[np.ndarray]:
        """Return the detections of a model that ends in NMS; all its time counts as inference."""
        if predictor.names is not None:
            self._check_classes(len(predictor.names))
        start = _synchronized_time(predictor.device)
        batch_detections = predictor.detect(batch)
        self.inference_seconds += _synchronized_time(predictor.device) - start
        self.batches += 1
        conf, _, max_det = self.thresholds
        return [rows[rows[:, 4] > conf][:max_det].numpy() for rows in batch_detections]

    def _add_image(self, detections: np.ndarray, labels: np.ndarray, path: str, shapes: Shapes | None) -> None:
        """Convert detections and labels of one image from pixels of the batch to those of the file, and match them."""
        assert shapes is not None
        if self.single_cls:
            detections[:, 5] = 0
        detections[:, :4] = scale_to_original(detections[:, :4], shapes)
        labels[:, 1:] = scale_to_original(labels[:, 1:], shapes)
        height, width = shapes[0]
        self.images.append(ImageDetections(path, (width, height), labels, detections))
        self.correct.append(match(detections, labels))

    def _check_size(self, images: Tensor) -> None:
        fixed_size = self.predictor.fixed_size
        if fixed_size is not None and tuple(images.shape[2:]) != fixed_size:
            actual = f"{images.shape[3]}×{images.shape[2]}"
            raise YoloqatError(
                f"the model takes images of {fixed_size[1]}×{fixed_size[0]} pixels only, and these are {actual}",
                hint=f"Evaluate with --img-size {max(fixed_size)} --letterbox square.",
            )

    def _check_classes(self, nc: int) -> None:
        if nc != self.nc and not self.single_cls:
            raise YoloqatError(
                f"the model has {nc} classes, and the data set has {self.nc}",
                hint="Evaluate on the data set that the model was trained for.",
            )


def _synchronized_time(device: torch.device) -> float:
    """Return the time in seconds once the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _concatenate(arrays: list[np.ndarray], columns: int = 0) -> np.ndarray:
    """Concatenate; an empty list gives an empty array of the right shape."""
    return np.concatenate(arrays) if arrays else np.zeros((0, columns) if columns else 0)
