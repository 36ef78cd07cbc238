"""The optimizer and its three parameter groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, Optimizer

NOMINAL_BATCH = 64
"""Default of `nominal_batch`: images over which gradients are accumulated and to which weight decay is scaled."""


@dataclass(frozen=True)
class ParameterGroups:
    """State-dict keys and parameters, grouped by weight decay and warm-up."""

    scales: dict[str, nn.Parameter]
    """BatchNorm weights and implicit vectors: no decay."""
    weights: dict[str, nn.Parameter]
    """All other weights: decayed."""
    biases: dict[str, nn.Parameter]
    """No decay; their learning rate warms up from `warmup_bias_lr`."""


def parameter_groups(model: nn.Module) -> ParameterGroups:
    """Sort a model's parameters into the three groups."""
    groups = ParameterGroups({}, {}, {})
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(prefix=path, recurse=False):
            leaf = name.rpartition(".")[2]
            if leaf == "bias":
                groups.biases[name] = parameter
            elif leaf == "weight" and not isinstance(module, nn.BatchNorm2d):
                groups.weights[name] = parameter
            else:
                groups.scales[name] = parameter
    return groups


def nominal_batch(hyp: Mapping[str, Any]) -> int:
    """Return the images per optimizer step that the hyperparameters were tuned for."""
    return int(hyp.get("nominal_batch", NOMINAL_BATCH))


def accumulation(batch_size: int, nominal: int = NOMINAL_BATCH) -> int:
    """Return the batches per optimizer step after warm-up."""
    return max(round(nominal / batch_size), 1)


def scaled_weight_decay(hyp: Mapping[str, Any], batch_size: int) -> float:
    """Scale the weight decay to the number of images that a step accumulates."""
    nominal = nominal_batch(hyp)
    return float(hyp["weight_decay"]) * batch_size * accumulation(batch_size, nominal) / nominal


def build_optimizer(model: nn.Module, hyp: Mapping[str, Any], batch_size: int, adam: bool = False) -> Optimizer:
    """Build SGD with Nesterov momentum, or Adam, over three groups: scales, weights, biases."""
    groups = parameter_groups(model)
    decay = scaled_weight_decay(hyp, batch_size)
    parameters = [
        {"params": list(groups.scales.values()), "weight_decay": 0.0},
        {"params": list(groups.weights.values()), "weight_decay": decay},
        {"params": list(groups.biases.values()), "weight_decay": 0.0},
    ]
    for group in parameters:
        group["initial_lr"] = float(hyp["lr0"])
    if adam:
        return Adam(parameters, lr=float(hyp["lr0"]), betas=(float(hyp["momentum"]), 0.999), foreach=True)
    return SGD(parameters, lr=float(hyp["lr0"]), momentum=float(hyp["momentum"]), nesterov=True, foreach=True)
