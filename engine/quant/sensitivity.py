"""Measure how much quantizing each layer costs, and plan which to keep float under a budget."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.head_error import HeadError
from engine.quant.placement import ValueClass
from engine.quant.quantizer import quantized_convolutions, set_quantization


@dataclass(frozen=True)
class Sensitivity:
    """The cost of quantizing one convolution."""

    name: str
    error: float
    """`HeadError` with everything else float; or the score gained by keeping only this convolution float."""
    multiply_adds: int
    """For one image of the measured size."""


def measure_sensitivity(model: nn.Module, error: HeadError, example: Tensor) -> list[Sensitivity]:
    """Quantize input and weight of one convolution at a time, and measure the head's error.

    Args:
        model: calibrated; unchanged afterwards.
        error: the error of this model.
        example: (1, 3, H, W) image, to count multiply-adds.

    Returns:
        The most sensitive first.
    """
    cost = multiply_adds(model, example)
    rows = []
    set_quantization(model, False)
    try:
        for name, conv in quantized_convolutions(model).items():
            with _one_convolution_switched(conv, enabled=True):
                rows.append(Sensitivity(name, error(model), cost[name]))
    finally:
        set_quantization(model, True)
    return sorted(rows, key=lambda row: -row.error)


def measure_by_score(model: nn.Module, score: Callable[[], float], example: Tensor) -> list[Sensitivity]:
    """Measure the gain in a score such as mAP from keeping one convolution float; the most sensitive first.

    Args:
        model: with all quantizers on; unchanged afterwards.
        score: evaluates the model with its present quantizer settings.
        example: (1, 3, H, W) image, to count multiply-adds.
    """
    cost = multiply_adds(model, example)
    base = score()
    rows = []
    for name, conv in quantized_convolutions(model).items():
        with _one_convolution_switched(conv, enabled=False):
            rows.append(Sensitivity(name, score() - base, cost[name]))
    return sorted(rows, key=lambda row: -row.error)


@contextmanager
def _one_convolution_switched(conv: QuantizedConvolution, *, enabled: bool) -> Iterator[None]:
    """Switch the quantizers of this convolution only, not of those that share its input quantizer."""
    shared = conv.input_quantizer
    unshared = copy.copy(shared)  # the range is shared, the switch is not
    before = conv.weight_quantizer.enabled
    unshared.enabled = conv.weight_quantizer.enabled = enabled
    conv.share_input_quantizer(unshared)
    try:
        yield
    finally:
        conv.share_input_quantizer(shared)
        conv.weight_quantizer.enabled = before


def multiply_adds(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Return path → multiply-adds of every convolution for one image."""
    macs: dict[str, int] = {}

    def add_hook(name: str, conv: nn.Conv2d | QuantizedConvolution) -> torch.utils.hooks.RemovableHandle:
        def count(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            macs[name] = output[0].numel() * conv.weight[0].numel()

        return conv.register_forward_hook(count)

    convs = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d | QuantizedConvolution)
    }
    handles = [add_hook(name, conv) for name, conv in convs.items()]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(example)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return macs


@dataclass(frozen=True)
class Plan:
    """Convolutions to keep float, and the result of that."""

    floating: tuple[str, ...]
    error: float
    """Remaining `HeadError`."""
    int8_share: float
    """Share of all multiply-adds that run in int8."""


def plan_float(
    model: nn.Module,
    classes: Sequence[ValueClass],
    rows: Sequence[Sensitivity],
    error: HeadError,
    *,
    accept: Callable[[float], bool],
    least_int8: float,
    total: int,
) -> list[Plan]:
    """Keep whole value classes float, in order of gain per multiply-add, until `accept` is satisfied.

    Args:
        model: with all quantizers on; unchanged afterwards.
        classes: convolutions that share an input scale; a class is kept float as a whole, or a tensor would need two.
        rows: from `measure_sensitivity`.
        error: the error of this model.
        accept: returns whether an error is small enough to stop.
        least_int8: least share of multiply-adds in int8; a class that would violate it is skipped.
        total: multiply-adds of the whole model, including convolutions that are float anyway.

    Returns:
        The plans after each step, beginning with no class float; the last is the result.
    """
    cost = {row.name: row.multiply_adds for row in rows}
    gain = {row.name: row.error for row in rows}
    in_int8 = sum(cost.values())
    steps = [Plan((), error(model), in_int8 / total)]
    order = sorted(classes, key=lambda group: -_gain_per_multiply_add(group, gain, cost))
    floating: list[str] = []
    try:
        for group in order:
            if accept(steps[-1].error):
                break
            class_cost = sum(cost[name] for name in group.convs)
            if (in_int8 - class_cost) / total < least_int8:
                continue
            _set_enabled(model, group.convs, enabled=False)
            in_int8 -= class_cost
            floating += group.convs
            steps.append(Plan(tuple(floating), error(model), in_int8 / total))
    finally:
        set_quantization(model, True)
    return steps


def _gain_per_multiply_add(group: ValueClass, gain: Mapping[str, float], cost: Mapping[str, int]) -> float:
    return sum(gain[name] for name in group.convs) / max(sum(cost[name] for name in group.convs), 1)


def _set_enabled(model: nn.Module, names: Sequence[str], *, enabled: bool) -> None:
    convs = quantized_convolutions(model)
    for name in names:
        convs[name].input_quantizer.enabled = convs[name].weight_quantizer.enabled = enabled
