"""Exponential moving average of a model's weights."""

import copy
import math

import torch
from torch import nn


class ModelEMA:
    """Average of a model's weights over training steps.

    v ← d·v + (1 − d)·model, with d = decay·(1 − exp(−updates / ramp)). Every floating-point entry of the state is
    averaged; integers stay as they are.
    """

    def __init__(self, model: nn.Module, decay: float = 0.9999, ramp: float = 2000.0) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.ramp = ramp
        self.updates = 0
        # A tensor shared by several modules has several names, and must be averaged once only.
        state = self.model.state_dict()
        self._names = list(
            {value.data_ptr(): name for name, value in state.items() if value.is_floating_point()}.values()
        )

    def decay_at(self, updates: int) -> float:
        """Return d after the given number of updates."""
        return self.decay * (1 - math.exp(-updates / self.ramp))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Average in the weights of one step."""
        self.updates += 1
        # Looked up each time: an evaluation changes the memory format, which replaces the tensors.
        average, current = self.model.state_dict(), model.state_dict()
        torch._foreach_lerp_(
            [average[name] for name in self._names],
            [current[name].detach() for name in self._names],
            1 - self.decay_at(self.updates),
        )
