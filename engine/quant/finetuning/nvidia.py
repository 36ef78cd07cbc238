"""NVIDIA's label-free fine-tuning schedule for YOLOv7 (yolo_deepstream/yolov7_qat), to compare with ours.

What it does: Adam without weight decay; ten epochs of 200 batches of ten images, at a rate of 1e-6, from epoch 3 on
1e-5, from epoch 8 on 1e-6 again; frozen ranges; for a loss the plain sum, over all layers but the head, of the mean
squared difference to the float model's output. No labels.
"""

from collections.abc import Sequence

from torch import Tensor

from engine.models.yolo import YoloModel
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.finetuning.finetune import FineTuneSchedule
from engine.train.epoch import Loss

WARM, COOL = 0.3, 0.8
"""Shares of the iterations, so that shorter runs have all three rates."""
PEAK = 10.0


def label_free_loss(student: YoloModel, teacher: YoloModel) -> Loss:
    """The loss of that schedule; of the items box, obj, cls, total only the total is there."""
    layers = [index for index, layer in enumerate(student.model) if layer is not student.head]
    distillation = FeatureDistillation(student, teacher, layers, normalised=False)

    def loss(raws: Sequence[Tensor], targets: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        distance = distillation(images)
        items = distance.new_zeros(4)
        items[3] = distance.detach()
        return distance, items

    return loss


class NvidiaSchedule(FineTuneSchedule):
    """`lr0`, from three tenths of the iterations on ten times that, from eight tenths on `lr0` again."""

    def start_iteration(self, iteration: int, epoch: int) -> None:
        """Set the learning rates; `iteration` counts from the beginning of the fine-tuning."""
        share = iteration / self.iterations
        factor = PEAK if WARM <= share < COOL else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
