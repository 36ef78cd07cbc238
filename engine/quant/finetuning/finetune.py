"""Parts of quantization-aware fine-tuning: trainable parameters, distillation loss, snapshot and schedule."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from engine.models.blocks import ImplicitA, ImplicitM
from engine.models.checkpoint import Checkpoint
from engine.models.yolo import YoloModel
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.state import QuantSpec
from engine.train.epoch import Loss, Training
from engine.train.progress import Progress, snapshot
from engine.train.schedule import Schedule, cosine

Snapshot = Callable[[Training, Progress, int, dict[str, Any], dict[str, Any]], Checkpoint]


def make_trainable(model: YoloModel) -> None:
    """Make every weight and bias trainable, except the implicit vectors, which are already folded into the head.

    The ranges are buffers and thus frozen; a weight outside its range gets no gradient.
    """
    unused = {id(p) for m in model.modules() if isinstance(m, ImplicitA | ImplicitM) for p in m.parameters()}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in unused)


def with_distillation(task: Loss, distillation: FeatureDistillation, gain: float) -> Loss:
    """Return a loss function: the task's loss plus `gain` times the distillation loss, per image like the task's.

    The fourth loss item, the total, includes the distillation loss.
    """

    def loss(raws: Sequence[Tensor], targets: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        total, items = task(raws, targets, images)
        distance = gain * distillation(images)
        items = items.clone()
        items[3] += distance.detach()
        return total + distance * len(images), items

    return loss


def quantized_snapshot(
    spec: QuantSpec,
) -> Callable[[Training, Progress, int, dict[str, Any], dict[str, Any]], Checkpoint]:
    """Return the training loop's snapshot function, extended by the quantization spec."""

    def quantized(
        training: Training, progress: Progress, epoch: int, hyp: dict[str, Any], meta: dict[str, Any]
    ) -> Checkpoint:
        return replace(snapshot(training, progress, epoch, hyp, meta), quant=spec.to_plain())

    return quantized


class FineTuneSchedule(Schedule):
    """Cosine decay per iteration from `lr0` to `lr0 · lrf`, after a linear warm-up; an optimizer step per batch.

    Fine-tuning takes few epochs, so a rate that changes per epoch would hardly decay. The rates depend only on the
    iteration, so a resumed training continues the same schedule.
    """

    def __init__(
        self, optimizer: Optimizer, hyp: Mapping[str, Any], *, epochs: int, batches_per_epoch: int, batch_size: int
    ) -> None:
        super().__init__(optimizer, hyp, epochs=epochs, batches_per_epoch=batches_per_epoch, batch_size=batch_size)
        self.warmup_iterations = round(float(hyp["warmup_epochs"]) * batches_per_epoch)
        self.iterations = max(epochs * batches_per_epoch, 1)
        self.factor = cosine(self.iterations, float(hyp["lrf"]))
        self.accumulate = 1

    def start_epoch(self, epoch: int) -> None:
        """Do nothing: the rates change per iteration."""

    def start_iteration(self, iteration: int, epoch: int) -> None:
        """Set the learning rates; `iteration` counts from the start of fine-tuning."""
        warm = min((iteration + 1) / (self.warmup_iterations + 1), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.factor(iteration) * warm
