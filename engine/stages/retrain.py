"""`retrain`: train the float model."""

from typing import Any

import numpy as np
import torch

from engine.console.say import say
from engine.contracts.errors import YoloqatError
from engine.contracts.options.retrain import RetrainOptions
from engine.contracts.result import EvaluationResult, StageResult
from engine.data.config import DataConfig, load_data_config
from engine.data.dataset import TrainDataset
from engine.data.loader import BatchLoader, train_loader, val_loader
from engine.data.scanning.labeled import LabeledImages
from engine.data.scanning.scan import scan
from engine.data.weights import class_weights, image_weights
from engine.evaluate.final import final_evaluation, fuse_and_report
from engine.evaluate.predictors import TorchPredictor
from engine.evaluate.validate import MANY_CLASSES, validate
from engine.evaluate.validation import Validation
from engine.losses.loss import ComputeLoss
from engine.models.checkpoint import Checkpoint, load_checkpoint, model_from_checkpoint
from engine.models.yolo import YoloModel
from engine.stages.session import Session
from engine.train.ema import ModelEMA
from engine.train.epoch import Loss, Training, multi_scale
from engine.train.hyp import check_hyp, load_hyp, scale_gains
from engine.train.loop import Plan, train
from engine.train.optimizer import build_optimizer, scaled_weight_decay
from engine.train.progress import Progress, load_unfinished, restore
from engine.train.schedule import Schedule
from engine.train.setup import check_anchors, freeze, make_loss, make_model, report_parameter_groups
from engine.train.strip import strip

EPOCH_IOU_THRES = 0.6
"""NMS threshold of the evaluation after each epoch, as in YOLOv7."""
SINGLE_CLASS = "item"
SMALLEST_IMAGE_PX = 32


def run(options: RetrainOptions, session: Session) -> StageResult:
    """Train, write the checkpoints, and evaluate `last.pt` and `best.pt`."""
    device = session.device(options.device)
    session.seed(options.seed)
    progress = Progress(session.run_dir / "weights")
    resumed = load_unfinished(progress, options.epochs) if options.resume else None
    hyp = check_hyp(resumed.hyp, str(progress.last)) if resumed and resumed.hyp else load_hyp(options.hyp)
    say("hyperparameters: " + ", ".join(f"{key}={value}" for key, value in hyp.items()))
    data = load_data_config(options.data)
    session.add_input("data", data.path)
    model = _build_model(options, session, data, resumed)
    train_size, test_size = _rounded_image_sizes(options, int(model.stride.max()))
    images = scan(data, "train", single_cls=options.single_cls)
    if not (options.noautoanchor or resumed):
        check_anchors(model, images, train_size, float(hyp["anchor_t"]), options.seed)
    freeze(model, options.freeze)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loader = _train_loader(options, data, images, hyp, train_size, model, device)
    test_loader = _test_loader(options, data, test_size, model, device)
    scaled_hyp = scale_gains(hyp, model.head.nl, model.nc, train_size, options.label_smoothing)
    loss, plain_loss = make_loss(model, scaled_hyp, quad=options.quad)
    training = _build_training(options, model, loader, loss, hyp, train_size, device)
    if resumed:
        restore(resumed, training, progress)
        say(f"Resuming training from {progress.last}")
    say(f"Image sizes {train_size} train, {test_size} test\nUsing {loader.num_workers} dataloader workers")
    say(f"Logging results to {session.run_dir}")
    validation = _EpochValidation(options, training, test_loader, data, plain_loss)
    plan = Plan(
        validate=validation,
        hyp=hyp,
        meta={"stage": "retrain", "img_size": [train_size, test_size], "data": str(data.path)},
        uninterrupted=session.uninterrupted,
        after_epoch=session.stop_if_requested,
        validate_always=not options.notest,
        save_always=not options.nosave,
        save_period=options.save_period,
        before_epoch=validation.draw_images if options.image_weights else None,
    )
    hours = train(training, progress, plan)
    evaluations = _final_evaluations(options, session, progress, data, test_loader, device)
    return session.finish(
        {"best": progress.best, "last": progress.last},
        evaluations=evaluations,
        details={"hours": hours, "best_epoch": progress.best_epoch, "best_fitness": progress.best_fitness},
    )


class _EpochValidation:
    """Evaluates the EMA weights after each epoch; keeps the latest result for `--image-weights`."""

    def __init__(
        self,
        options: RetrainOptions,
        training: Training,
        loader: BatchLoader,
        data: DataConfig,
        compute_loss: ComputeLoss,
    ) -> None:
        self.options = options
        self.training = training
        self.loader = loader
        self.data = data
        self.compute_loss = compute_loss
        self.latest: Validation | None = None

    def __call__(self, epoch: int) -> Validation:
        assert self.training.ema is not None
        nc = len(self.data.names)
        self.latest = validate(
            TorchPredictor(self.training.ema.model, half=self.training.amp),
            self.loader,
            self.data,
            conf_thres=self.options.conf_thres,
            iou_thres=EPOCH_IOU_THRES,
            compute_loss=self.compute_loss,
            single_cls=self.options.single_cls,
            v5_metric=self.options.v5_metric,
            verbose=epoch + 1 == self.options.epochs and nc < MANY_CLASSES,
        )
        return self.latest

    def draw_images(self, epoch: int) -> None:
        """Set the sampling weights of the coming epoch: images with rare or poorly detected classes come more often."""
        dataset = self.training.loader.dataset
        assert isinstance(dataset, TrainDataset)
        nc = 1 if self.options.single_cls else self.data.nc
        maps = self.latest.maps if self.latest is not None else np.zeros(nc)
        weights = class_weights(dataset.images.label_rows, nc) * (1 - maps) ** 2
        self.training.loader.sampler.set_weights(image_weights(dataset.images, weights))  # type: ignore[union-attr]


def _build_model(options: RetrainOptions, session: Session, data: DataConfig, resumed: Checkpoint | None) -> YoloModel:
    if resumed is not None:
        return model_from_checkpoint(resumed, ema=False)
    checkpoint = None
    if options.weights:
        checkpoint = load_checkpoint(options.weights)
        if checkpoint.quant is not None:
            raise YoloqatError(
                "these weights are quantized, and `retrain` trains float models",
                where=options.weights,
                hint="Give the float checkpoint, or fine-tune this one with `qat`.",
            )
        session.add_input("weights", options.weights)
    names = (SINGLE_CLASS,) if options.single_cls else data.names
    return make_model(options.cfg, checkpoint, options.weights, names, options.act, options.width)


def _rounded_image_sizes(options: RetrainOptions, stride: int) -> tuple[int, int]:
    requested = [options.img_size[0], options.img_size[-1]]
    if min(requested) < SMALLEST_IMAGE_PX:
        raise YoloqatError(f"--img-size {min(requested)}: images must have at least {SMALLEST_IMAGE_PX} pixels a side")
    sizes = [-(-size // max(stride, 32)) * max(stride, 32) for size in requested]
    for old, new in zip(requested, sizes, strict=True):
        if old != new:
            say(f"WARNING: --img-size {old} must be multiple of max stride {stride}, updating to {new}")
    return sizes[0], sizes[1]


def _train_loader(
    options: RetrainOptions,
    data: DataConfig,
    images: LabeledImages,
    hyp: dict[str, Any],
    size: int,
    model: YoloModel,
    device: torch.device,
) -> BatchLoader:
    return train_loader(
        data,
        size,
        options.batch_size,
        hyp,
        workers=options.workers,
        seed=options.seed,
        shuffle=options.shuffle,
        rect=options.rect,
        cache_images=options.cache_images,
        single_cls=options.single_cls,
        quad=options.quad,
        stride=int(model.stride.max()),
        pin_memory=device.type == "cuda",
        images=images,
    )


def _test_loader(
    options: RetrainOptions, data: DataConfig, size: int, model: YoloModel, device: torch.device
) -> BatchLoader:
    return val_loader(
        data,
        "val",
        size,
        options.batch_size * 2,
        letterbox=options.letterbox,
        workers=options.workers,
        single_cls=options.single_cls,
        stride=int(model.stride.max()),
        pin_memory=device.type == "cuda",
    )


def _build_training(
    options: RetrainOptions,
    model: YoloModel,
    loader: BatchLoader,
    loss: Loss,
    hyp: dict[str, Any],
    img_size: int,
    device: torch.device,
) -> Training:
    batch_size = loader.batch_size or 1
    optimizer = build_optimizer(model, hyp, batch_size, options.adam)
    report_parameter_groups(model, scaled_weight_decay(hyp, batch_size))
    return Training(
        model=model,
        optimizer=optimizer,
        schedule=Schedule(
            optimizer,
            hyp,
            epochs=options.epochs,
            batches_per_epoch=len(loader),
            batch_size=batch_size,
            linear_lr=options.linear_lr,
        ),
        scaler=torch.amp.GradScaler(device.type, enabled=device.type == "cuda"),
        loss=loss,
        loader=loader,
        device=device,
        epochs=options.epochs,
        ema=ModelEMA(model, float(hyp["ema_decay"]), float(hyp["ema_ramp"])),
        resize=multi_scale(img_size, int(model.stride.max()), options.seed) if options.multi_scale else None,
    )


def _final_evaluations(
    options: RetrainOptions,
    session: Session,
    progress: Progress,
    data: DataConfig,
    loader: BatchLoader,
    device: torch.device,
) -> list[EvaluationResult]:
    """Evaluate `last.pt`, then `best.pt`, both fused; then strip them of what only training needs."""
    results = []
    for path in (progress.last, progress.best):
        if not path.is_file():
            continue
        model = fuse_and_report(model_from_checkpoint(load_checkpoint(path)).requires_grad_(False)).to(device)
        results.append(
            final_evaluation(
                TorchPredictor(model, half=device.type == "cuda"),
                loader,
                data,
                label="float",
                weights=f"weights/{path.name}",
                predictions=session.run_dir / f"{path.stem}_predictions.json",
                settings={
                    "conf_thres": options.conf_thres,
                    "iou_thres": options.iou_thres,
                    "single_cls": options.single_cls,
                    "v5_metric": options.v5_metric,
                },
            )
        )
    for path in (progress.last, progress.best):
        if path.is_file():
            strip(path)
    return results
