"""Learned step sizes (LSQ, Esser et al. 2020, arXiv:1902.08153): train the ranges together with the weights."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Adam

from engine.quant.backends.interface import Quantizer
from engine.quant.quantizer import quantized_convolutions
from engine.train.optimizer import parameter_groups, scaled_weight_decay

RELATIVE = "relative"
"""Key of an optimizer group whose parameters are changed by factors."""


def learn_ranges(model: nn.Module) -> None:
    """Turn every range of a calibrated model into a parameter; the keys of its state dict do not change.

    Weight ranges start from calibration, which gives better results than the paper's 2·mean|w| / √top.

    Raises:
        YoloqatError: the model's backend has no gradient for a range.
    """
    for conv in quantized_convolutions(model).values():
        conv.input_quantizer.learn_range()
        conv.weight_quantizer.learn_range()


def learned_ranges(model: nn.Module) -> list[nn.Parameter]:
    """Return the ranges that are parameters; one that several convolutions share comes once."""
    ranges = (module.range for module in model.modules() if isinstance(module, Quantizer))
    return [value for value in ranges if isinstance(value, nn.Parameter)]


class RangeAdam(Adam):
    """Adam that updates groups marked `relative` multiplicatively: x ← x·exp(Δ), where Δ is Adam's step.

    Ranges differ by orders of magnitude, and Adam's steps do not depend on the size of a gradient: additive steps
    would be too large for some ranges and too small for others, and could make one negative.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:  # type: ignore[override]
        """Update all groups once."""
        parameters = [p for group in self.param_groups if group.get(RELATIVE) for p in group["params"]]
        before = [p.clone() for p in parameters]
        torch._foreach_zero_(parameters)
        result = super().step(closure)  # leaves Δ in them: Adam does not read the value of a parameter
        torch._foreach_exp_(parameters)
        torch._foreach_mul_(parameters, before)
        return result


def build_range_optimizer(model: nn.Module, hyp: Mapping[str, Any], batch_size: int) -> RangeAdam:
    """Build Adam with the groups of `build_optimizer` and a fourth: the learned ranges, at the rate of the weights."""
    groups = parameter_groups(model)
    ranges = learned_ranges(model)
    range_ids = {id(parameter) for parameter in ranges}
    scales = [parameter for parameter in groups.scales.values() if id(parameter) not in range_ids]
    parameters: list[dict[str, Any]] = [
        {"params": scales, "weight_decay": 0.0},
        {"params": list(groups.weights.values()), "weight_decay": scaled_weight_decay(hyp, batch_size)},
        {"params": list(groups.biases.values()), "weight_decay": 0.0},
        {"params": ranges, "weight_decay": 0.0, RELATIVE: True},
    ]
    for group in parameters:
        group["initial_lr"] = float(hyp["lr0"])
    return RangeAdam(parameters, lr=float(hyp["lr0"]), betas=(float(hyp["momentum"]), 0.999), foreach=True)
