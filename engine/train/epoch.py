"""One pass over the training images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.console.say import say
from engine.console.tqdm_bar import Bar
from engine.contracts.errors import YoloqatError
from engine.data.loader import BatchLoader
from engine.data.network_input import to_network
from engine.train.ema import ModelEMA
from engine.train.epoch_lines import TITLES, epoch_row
from engine.train.schedule import Schedule

Loss = Callable[[Sequence[Tensor], Tensor, Tensor], tuple[Tensor, Tensor]]
"""Raw outputs, targets (n, 6), images (B, 3, H, W) → loss to differentiate, and its items box, obj, cls, total."""


class NotFinite(YoloqatError):
    """The loss is nan or inf; the weights are still those of the last good step."""

    exit_code = 1


@dataclass
class Training:
    """Model, optimizer, data and settings of a training, as one epoch needs them."""

    model: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler
    loss: Loss
    loader: BatchLoader
    device: torch.device
    epochs: int
    ema: ModelEMA | None = None
    resize: Callable[[Tensor], Tensor] | None = None
    """Resizes a batch (B, 3, H, W), for multi-scale training."""
    max_batches: int = 0
    """Largest number of batches per epoch; 0 for all."""

    @property
    def batches(self) -> int:
        return min(len(self.loader), self.max_batches) if self.max_batches else len(self.loader)

    @property
    def amp(self) -> bool:
        return self.device.type == "cuda"


def train_epoch(training: Training, epoch: int) -> str:
    """Train one epoch (0-based) and print its header and bar.

    Returns:
        The epoch's row as printed.

    Raises:
        NotFinite: the loss is nan or inf; raised before the optimizer steps.
    """
    t = training
    t.model.train()
    t.loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
    t.schedule.start_epoch(epoch)
    t.optimizer.zero_grad()
    say("\n" + TITLES)
    means = torch.zeros(4, device=t.device)
    row = ""
    with Bar[Any](total=t.batches) as bar:
        for batch, (images, targets, _, _) in enumerate(t.loader):
            if batch >= t.batches:
                break
            images = to_network(images, t.device)
            if t.resize is not None:
                images = t.resize(images)
            items = _train_batch(t, epoch, batch, images, targets.to(t.device))
            means += (items - means) / (batch + 1)
            if bar.is_due or batch + 1 == t.batches:
                # Reading the means waits for the device, so do it only when the bar is redrawn.
                row = epoch_row(epoch, t.epochs, t.device, means.tolist(), len(targets), images.shape[-1])
                bar.set_description(row)
            bar.update()
    return row


def _train_batch(t: Training, epoch: int, batch: int, images: Tensor, targets: Tensor) -> Tensor:
    iteration = batch + t.batches * epoch
    t.schedule.start_iteration(iteration, epoch)
    with torch.autocast(t.device.type, enabled=t.amp):
        raws = t.model(images)
        loss, items = t.loss(raws, targets, images)
    if not torch.isfinite(loss):
        raise NotFinite(
            f"the loss is {loss.item():g} in epoch {epoch}, batch {batch}; checkpoints of earlier epochs are kept",
            hint="Try a lower lr0, more warm-up epochs, or --hyp with loss_ota: 0; check the labels of this batch.",
        )
    t.scaler.scale(loss).backward()
    if t.schedule.steps_after(iteration):
        t.scaler.step(t.optimizer)
        t.scaler.update()
        t.optimizer.zero_grad()
        if t.ema is not None:
            t.ema.update(t.model)
    return items


def multi_scale(img_size: int, stride: int, seed: int) -> Callable[[Tensor], Tensor]:
    """Return a function that resizes batches to random multiples of the stride, 0.5 to 1.5 times `img_size`."""
    generator = torch.Generator().manual_seed(seed)
    lowest, highest = img_size // 2 // stride, (img_size + img_size // 2) // stride

    def resize(images: Tensor) -> Tensor:
        longest = int(torch.randint(max(lowest, 1), highest + 1, (), generator=generator)) * stride
        factor = longest / max(images.shape[2:])
        if factor == 1:
            return images
        shape = [-(-round(side * factor) // stride) * stride for side in images.shape[2:]]
        return F.interpolate(images, shape, mode="bilinear", align_corners=False)

    return resize
