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
        state = self.model.state_dict()
        self._names = list(
            {value.data_ptr(): name for name, value in state.items() if value.is_floating_point()}.values()
        )

    def decay_at(self, updates: int) -> float:
        """d at the given number of updates."""
        return self.decay * (1 - math.exp(-updates / self.ramp))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Follow the model by one step."""
        self.updates += 1
        # Looked up each time: changing a model's memory format, as an evaluation does, moves values.
        average, current = self.model.state_dict(), model.state_dict()
        torch._foreach_lerp_(
            [average[name] for name in self._names],
            [current[name].detach() for name in self._names],
            1 - self.decay_at(self.updates),
        )
