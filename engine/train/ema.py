"""Exponential moving average of a model's weights."""

import copy
import math

import torch
from torch import nn


class ModelEMA:
    """A copy of the model that follows it: v ← d·v + (1 − d)·model, with d = decay·(1 − exp(−updates / ramp)).

    Every floating-point entry of the state is averaged; integers stay as they are.
    """

    def __init__(self, model: nn.Module, decay: float = 0.9999, ramp: float = 2000.0) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.ramp = ramp
        self.updates = 0
        # What several modules share stands under several names, and must be averaged once.
        averaged = {
            value.data_ptr(): (name, value)
            for name, value in self.model.state_dict().items()
            if value.is_floating_point()
        }
        self._names = [name for name, _ in averaged.values()]
        self._averaged = [value for _, value in averaged.values()]

    def decay_at(self, updates: int) -> float:
        """d at the given number of updates."""
        return self.decay * (1 - math.exp(-updates / self.ramp))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Follow the model by one step."""
        self.updates += 1
        state = model.state_dict()
        current = [state[name].detach() for name in self._names]
        torch._foreach_lerp_(self._averaged, current, 1 - self.decay_at(self.updates))
