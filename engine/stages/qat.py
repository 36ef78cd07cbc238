"""`qat`: fine-tune a calibrated model with fake quantization; keep the better of PTQ and QAT."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from engine.console.say import say
from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.qat import QatOptions
from engine.contracts.result import EvaluationResult, StageResult
from engine.data.config import DataConfig, load_data_config
from engine.data.loader import BatchLoader, train_loader, val_loader
from engine.evaluate.final import final_evaluation
from engine.evaluate.predictors import TorchPredictor
from engine.evaluate.validate import validate
from engine.evaluate.validation import Validation, evaluation_result
from engine.losses.loss import ComputeLoss
from engine.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.finetuning.finetune import FineTuneSchedule, make_trainable, quantized_snapshot, with_distillation
from engine.quant.finetuning.learned_ranges import build_range_optimizer, learn_ranges
from engine.quant.finetuning.nvidia import NvidiaSchedule, label_free_loss
from engine.quant.state import QuantSpec, load_quantized, with_rounded_biases
from engine.stages.session import Session
from engine.train.ema import ModelEMA
from engine.train.epoch import Loss, Training
from engine.train.hyp import check_hyp, load_hyp, scale_gains
from engine.train.loop import Plan, train
from engine.train.optimizer import build_optimizer
from engine.train.progress import Progress, load_unfinished, restore
from engine.train.setup import make_loss
from engine.train.strip import strip

SCHEDULES = {"ours": FineTuneSchedule, "nvidia": NvidiaSchedule}
HYPS = {"ours": "hyp.qat.yaml", "nvidia": "hyp.qat-nvidia.yaml"}


def run(options: QatOptions, session: Session) -> StageResult:
    """Fine-tune `weights`; `weights/best.pt` is the best epoch, or the PTQ model if no epoch is better."""
    if options.preset == "nvidia" and (options.lsq or options.ema):
        raise YoloqatError("--preset nvidia takes neither --lsq nor --ema", hint="Give them with --preset ours.")
    device = session.device(options.device)
    session.seed(options.seed)
    ptq = _load_ptq_checkpoint(options)
    source = session.add_input("weights", options.weights)
    data = load_data_config(options.data)
    session.add_input("data", data.path)
    progress = Progress(session.run_dir / "weights")
    resumed = _load_resumed(options, progress, source.sha256)
    hyp = _load_hyp(options, resumed)
    say("hyperparameters: " + ", ".join(f"{key}={value}" for key, value in hyp.items()))
    model = load_quantized(ptq).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    make_trainable(model)
    if options.lsq:
        learn_ranges(model)
    setup = _Setup(options, session, data, device, model, hyp)
    training, plain_loss = setup.training(ptq)
    evaluations: list[EvaluationResult] = []
    if resumed is not None:
        restore(resumed, training, progress)
        say(f"Resuming training from {progress.last}")
    else:
        evaluations.append(_save_ptq_as_best(setup, ptq, progress))
    spec = QuantSpec.from_plain(ptq.quant or {})
    plan = Plan(
        validate=lambda _: setup.validate(training.ema.model if training.ema else model, plain_loss),
        hyp=hyp,
        meta={
            **ptq.meta,
            "stage": "qat",
            "ptq_sha256": source.sha256,
            "ptq_fitness": _ptq_fitness(progress, resumed),
            **_fixed_options(options),
        },
        uninterrupted=session.uninterrupted,
        after_epoch=session.stop_if_requested,
        snapshot=quantized_snapshot(spec),
    )
    hours = train(training, progress, plan)
    chosen_model = _report_choice(progress, float(plan.meta["ptq_fitness"]))
    save_checkpoint(progress.best, with_rounded_biases(load_checkpoint(progress.best)))
    evaluations.append(_final_evaluation(setup, progress))
    for path in (progress.last, progress.best):
        strip(path)
    return session.finish(
        {"best": progress.best, "last": progress.last},
        evaluations=evaluations,
        details={
            "hours": hours,
            "kept": chosen_model,
            **_fixed_options(options),
            "best_epoch": progress.best_epoch,
            "best_fitness": progress.best_fitness,
            "ptq_fitness": plan.meta["ptq_fitness"],
            "float_convolutions": list(spec.floating),
        },
    )


@dataclass
class _Setup:
    """Options, data, model and hyperparameters of this stage, and the parts built from them."""

    options: QatOptions
    session: Session
    data: DataConfig
    device: torch.device
    model: YoloModel
    hyp: Mapping[str, Any]

    def __post_init__(self) -> None:
        o, stride = self.options, int(self.model.stride.max())
        self.size = -(-o.img_size // stride) * stride
        if self.size != o.img_size:
            say(f"WARNING: --img-size {o.img_size} must be multiple of max stride {stride}, updating to {self.size}")
        self.pin = self.device.type == "cuda"
        self.val_loader: BatchLoader = val_loader(
            self.data,
            "val",
            self.size,
            o.batch_size * 2,
            letterbox=o.letterbox,
            workers=o.workers,
            stride=stride,
            pin_memory=self.pin,
        )

    @property
    def settings(self) -> dict[str, Any]:
        return {"conf_thres": self.options.conf_thres, "iou_thres": self.options.iou_thres}

    def training(self, ptq: Checkpoint) -> tuple[Training, ComputeLoss]:
        """Build what the training loop works on, and the loss for validation."""
        o = self.options
        loader = train_loader(
            self.data,
            self.size,
            o.batch_size,
            self.hyp,
            workers=o.workers,
            seed=o.seed,
            stride=int(self.model.stride.max()),
            pin_memory=self.pin,
        )
        loss, plain_loss = self._losses(ptq)
        batch_size = loader.batch_size or 1
        # Adam's steps do not grow with the loss, which differs by orders of magnitude between data sets and sizes.
        step_hyp = {**self.hyp, "nominal_batch": batch_size}
        optimizer = (
            build_range_optimizer(self.model, step_hyp, batch_size)
            if o.lsq
            else build_optimizer(self.model, step_hyp, batch_size, adam=True)
        )
        batches = min(len(loader), o.max_batches or len(loader))
        training = Training(
            model=self.model,
            optimizer=optimizer,
            schedule=SCHEDULES[o.preset](
                optimizer, self.hyp, epochs=o.epochs, batches_per_epoch=batches, batch_size=batch_size
            ),
            scaler=torch.amp.GradScaler(self.device.type, enabled=self.pin),
            loss=loss,
            loader=loader,
            device=self.device,
            epochs=o.epochs,
            ema=self._ema(),
            max_batches=o.max_batches,
        )
        return training, plain_loss

    def _losses(self, ptq: Checkpoint) -> tuple[Loss, ComputeLoss]:
        """Build the loss for training, with distillation if it has a gain, and that for validation."""
        gains = scale_gains(dict(self.hyp), self.model.head.nl, self.model.nc, self.size, 0.0)
        loss, plain_loss = make_loss(self.model, gains)
        gain = float(self.hyp["distill"])
        if gain <= 0 and self.options.preset == "ours":
            return loss, plain_loss
        teacher = load_quantized(ptq).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.options.preset == "nvidia":
            return label_free_loss(self.model, teacher), plain_loss
        return with_distillation(loss, FeatureDistillation(self.model, teacher), gain), plain_loss

    def validate(self, model: YoloModel, plain_loss: ComputeLoss | None) -> Validation:
        """Evaluate in fp32 with the settings of the final evaluation, so that PTQ and epochs are comparable."""
        return validate(TorchPredictor(model), self.val_loader, self.data, compute_loss=plain_loss, **self.settings)

    def _ema(self) -> ModelEMA | None:
        decay = float(self.hyp["ema_decay"])
        return ModelEMA(self.model, decay, float(self.hyp["ema_ramp"])) if decay > 0 else None


def _load_ptq_checkpoint(options: QatOptions) -> Checkpoint:
    checkpoint = load_checkpoint(options.weights)
    if checkpoint.quant is None:
        raise YoloqatError(
            "this checkpoint holds a float model", where=options.weights, hint="Run `ptq` on it and give its ptq.pt."
        )
    return checkpoint


def _load_resumed(options: QatOptions, progress: Progress, ptq_sha256: str) -> Checkpoint | None:
    if not options.resume:
        return None
    checkpoint = load_unfinished(progress, options.epochs)
    if checkpoint.meta.get("ptq_sha256") != ptq_sha256:
        raise YoloqatError(
            "last.pt was fine-tuned from another PTQ checkpoint",
            where=options.weights,
            hint="Resume with the --weights that the run was started with.",
        )
    for name, value in _fixed_options(options).items():
        if checkpoint.meta.get(name, value) != value:
            raise YoloqatError(
                f"last.pt was fine-tuned with {name} {checkpoint.meta[name]}, this is {value}",
                where=str(progress.last),
                hint="Resume with the options that the run was started with.",
            )
    return checkpoint


def _fixed_options(options: QatOptions) -> dict[str, Any]:
    """Return the options that must stay the same when a fine-tuning is resumed."""
    return {"preset": options.preset, "lsq": options.lsq}


def _load_hyp(options: QatOptions, resumed: Checkpoint | None) -> dict[str, Any]:
    if resumed and resumed.hyp:
        hyp = check_hyp(resumed.hyp, "last.pt")
    else:
        hyp = load_hyp(HYPS[options.preset] if options.hyp == HYPS["ours"] else options.hyp)
    if options.lr0 is not None:
        hyp = {**hyp, "lr0": options.lr0}
    if options.ema is not None:
        # Ramp up over the number of steps that the average spans, so that the initial weights are forgotten.
        hyp = {**hyp, "ema_decay": options.ema, "ema_ramp": 1 / (1 - options.ema)}
    return hyp


def _save_ptq_as_best(setup: _Setup, ptq: Checkpoint, progress: Progress) -> EvaluationResult:
    """Evaluate the PTQ model and save it as `best.pt`: fine-tuning replaces it only if an epoch is better."""
    weights = setup.options.weights
    emit("evaluating", label="PTQ", weights=weights)
    validation = setup.validate(setup.model, None)
    result = evaluation_result(validation, label="PTQ", weights=weights, backend="pytorch")
    emit(
        "evaluation",
        label="PTQ",
        weights=weights,
        backend="pytorch",
        metrics=result.metrics,
        settings=result.settings.model_dump(),
    )
    progress.best_fitness = validation.fitness
    best = replace(ptq, best_fitness=validation.fitness, meta={**ptq.meta, "stage": "qat"})
    save_checkpoint(progress.best, best)
    return result


def _ptq_fitness(progress: Progress, resumed: Checkpoint | None) -> float:
    return float(resumed.meta["ptq_fitness"]) if resumed is not None else progress.best_fitness


def _report_choice(progress: Progress, ptq_fitness: float) -> str:
    """Print and return which model `best.pt` holds: `PTQ` or `QAT`."""
    if progress.best_epoch < 0:
        say(f"Keeping the PTQ weights: no epoch of fine-tuning is better than their fitness {ptq_fitness:.4f}.")
        return "PTQ"
    say(
        f"Keeping the QAT weights of epoch {progress.best_epoch}: fitness {progress.best_fitness:.4f}, "
        f"PTQ {ptq_fitness:.4f}."
    )
    return "QAT"


def _final_evaluation(setup: _Setup, progress: Progress) -> EvaluationResult:
    model = load_quantized(load_checkpoint(progress.best)).to(setup.device)
    return final_evaluation(
        TorchPredictor(model),
        setup.val_loader,
        setup.data,
        label="QAT",
        weights="weights/best.pt",
        predictions=setup.session.run_dir / "best_predictions.json",
        settings=setup.settings,
    )
