"""NVIDIA's label-free fine-tuning schedule for YOLOv7 (yolo_deepstream/yolov7_qat), for comparison with ours.

It uses Adam without weight decay, ten epochs of 200 batches of ten images, a rate of 1e-6, 1e-5 from epoch 3 and 1e-6
again from epoch 8, frozen ranges, and no labels: the loss is the plain sum, over all layers but the head, of the mean
squared difference from the float model's output.
"""

from collections.abc import Sequence

from torch import Tensor

from engine.models.yolo import YoloModel
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.finetuning.finetune import FineTuneSchedule
from engine.train.epoch import Loss

HIGH_RATE_START, HIGH_RATE_END = 0.3, 0.8
"""Start and end of the high rate, as shares of the iterations, so that shorter trainings have all three phases."""
HIGH_RATE_FACTOR = 10.0
"""Factor of the high rate."""


def label_free_loss(student: YoloModel, teacher: YoloModel) -> Loss:
    """Return the loss function of that schedule; of the loss items box, obj, cls, total only the total is set."""
    layers = [index for index, layer in enumerate(student.model) if layer is not student.head]
    distillation = FeatureDistillation(student, teacher, layers, normalised=False)

    def loss(raws: Sequence[Tensor], targets: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        distance = distillation(images)
        items = distance.new_zeros(4)
        items[3] = distance.detach()
        return distance, items

    return loss


class NvidiaSchedule(FineTuneSchedule):
    """Rate `lr0`, ten times that from 30 % to 80 % of the iterations, then `lr0` again."""

    def start_iteration(self, iteration: int, epoch: int) -> None:
        """Set the learning rates; `iteration` counts from the start of fine-tuning."""
        share = iteration / self.iterations
        factor = HIGH_RATE_FACTOR if HIGH_RATE_START <= share < HIGH_RATE_END else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
