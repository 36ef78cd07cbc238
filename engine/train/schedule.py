"""Learning rate, momentum and gradient accumulation over a training."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch.optim import Optimizer

from engine.train.optimizer import accumulation, nominal_batch

BIAS_GROUP = 2


def cosine(epochs: int, final: float) -> Callable[[int], float]:
    """Return a factor that falls from 1 to `final` over `epochs`, along half a cosine."""
    return lambda epoch: (1 - math.cos(epoch * math.pi / epochs)) / 2 * (final - 1) + 1


def linear(epochs: int, final: float) -> Callable[[int], float]:
    """Return a factor that falls from 1 to `final` linearly, reached in the last epoch."""
    return lambda epoch: (1 - epoch / max(epochs - 1, 1)) * (1.0 - final) + final


class Schedule:
    """Warm-up by iteration, then one learning rate per epoch.

    As in YOLOv7, epoch e runs at the factor of epoch e − 1, and the last value of the warm-up holds until the epoch
    ends. The rates depend on the epoch alone, so a resumed training continues with the same ones.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        hyp: Mapping[str, Any],
        *,
        epochs: int,
        batches_per_epoch: int,
        batch_size: int,
        linear_lr: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.hyp = hyp
        self.batch_size = batch_size
        self.factor = (linear if linear_lr else cosine)(epochs, float(hyp["lrf"]))
        least = int(hyp.get("warmup_min_iterations", 1000))
        self.warmup_iterations = max(round(float(hyp["warmup_epochs"]) * batches_per_epoch), least)
        self.nominal = nominal_batch(hyp)
        self.accumulate = accumulation(batch_size, self.nominal)
        """Batches per optimizer step at this iteration."""

    def start_epoch(self, epoch: int) -> None:
        """Set the learning rates of an epoch (0-based)."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self.factor(max(epoch - 1, 0))

    def start_iteration(self, iteration: int, epoch: int) -> None:
        """Set the warm-up's rates and accumulation; `iteration` counts from the start of the training."""
        if iteration > self.warmup_iterations:
            return
        share = iteration / self.warmup_iterations if self.warmup_iterations else 1.0
        self.accumulate = max(1, round(1 + share * (self.nominal / self.batch_size - 1)))
        for index, group in enumerate(self.optimizer.param_groups):
            start = float(self.hyp["warmup_bias_lr"]) if index == BIAS_GROUP else 0.0
            group["lr"] = start + share * (group["initial_lr"] * self.factor(epoch) - start)
            if "momentum" in group:
                cold = float(self.hyp["warmup_momentum"])
                group["momentum"] = cold + share * (float(self.hyp["momentum"]) - cold)

    def steps_after(self, iteration: int) -> bool:
        """Return whether the optimizer steps after this iteration."""
        return iteration % self.accumulate == 0

    @property
    def learning_rates(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]
