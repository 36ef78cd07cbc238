"""Which layers suffer from quantization, and which to leave float under a budget."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.quant.backends.interface import QuantizedConvolution
from engine.quant.placement import ValueClass
from engine.quant.proxy import HeadError
from engine.quant.quantizer import quantized_convolutions, set_quantization


@dataclass(frozen=True)
class Sensitivity:
    """What quantizing one convolution costs."""

    name: str
    error: float
    """`HeadError` with everything else in float; or the score that leaving it alone in float wins back."""
    multiply_adds: int
    """Of one image, in the size that was measured."""


def measure_sensitivity(model: nn.Module, error: HeadError, example: Tensor) -> list[Sensitivity]:
    """Quantize one convolution at a time, input and weight, and compare the head's outputs.

    Args:
        model: with quantizers that have ranges; left as it was.
        error: of this model.
        example: (1, 3, H, W) image, to count multiply-adds.

    Returns:
        The most sensitive first.
    """
    cost = multiply_adds(model, example)
    rows = []
    set_quantization(model, False)
    try:
        for name, conv in quantized_convolutions(model).items():
            with _switched(conv, enabled=True):
                rows.append(Sensitivity(name, error(model), cost[name]))
    finally:
        set_quantization(model, True)
    return sorted(rows, key=lambda row: -row.error)


def measure_by_score(model: nn.Module, score: Callable[[], float], example: Tensor) -> list[Sensitivity]:
    """What leaving one convolution float wins back of a score such as mAP; the most sensitive first.

    Args:
        model: with all quantizers on; left as it was.
        score: of the model as its quantizers are set.
        example: (1, 3, H, W) image, to count multiply-adds.
    """
    cost = multiply_adds(model, example)
    base = score()
    rows = []
    for name, conv in quantized_convolutions(model).items():
        with _switched(conv, enabled=False):
            rows.append(Sensitivity(name, score() - base, cost[name]))
    return sorted(rows, key=lambda row: -row.error)


@contextmanager
def _switched(conv: QuantizedConvolution, *, enabled: bool) -> Iterator[None]:
    """Switch the quantizers of this convolution alone; others that share its input's keep theirs."""
    shared = conv.input_quantizer
    own = copy.copy(shared)  # the range is shared, the switch is not
    before = conv.weight_quantizer.enabled
    own.enabled = conv.weight_quantizer.enabled = enabled
    conv.share_input_quantizer(own)
    try:
        yield
    finally:
        conv.share_input_quantizer(shared)
        conv.weight_quantizer.enabled = before


def multiply_adds(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Multiply-adds of every convolution for one image."""
    macs: dict[str, int] = {}

    def watch(name: str, conv: nn.Conv2d | QuantizedConvolution) -> torch.utils.hooks.RemovableHandle:
        def count(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            macs[name] = output[0].numel() * conv.weight[0].numel()

        return conv.register_forward_hook(count)

    convs = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d | QuantizedConvolution)
    }
    handles = [watch(name, conv) for name, conv in convs.items()]
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
    """Convolutions to leave float."""

    floating: tuple[str, ...]
    error: float
    """`HeadError` that is left."""
    int8_share: float
    """Of all multiply-adds, those in int8."""


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
    """Leave whole value classes float, the one first that gains most per multiply-add, until it is good enough.

    Args:
        model: with all quantizers on; left as it was.
        classes: convolutions that share an input scale; they are taken together, or a tensor would need two.
        rows: from `measure_sensitivity`.
        error: of this model.
        accept: whether this error is small enough to stop.
        least_int8: share of multiply-adds that must stay in int8; a class that would break it is passed over.
        total: multiply-adds of the whole model, those that are float anyway included.

    Returns:
        The steps, from nothing left float to the last one; the last is the plan.
    """
    cost = {row.name: row.multiply_adds for row in rows}
    gain = {row.name: row.error for row in rows}
    in_int8 = sum(cost.values())
    steps = [Plan((), error(model), in_int8 / total)]
    order = sorted(classes, key=lambda group: -_worth(group, gain, cost))
    floating: list[str] = []
    try:
        for group in order:
            if accept(steps[-1].error):
                break
            less = sum(cost[name] for name in group.convs)
            if (in_int8 - less) / total < least_int8:
                continue
            _switch(model, group.convs, enabled=False)
            in_int8 -= less
            floating += group.convs
            steps.append(Plan(tuple(floating), error(model), in_int8 / total))
    finally:
        set_quantization(model, True)
    return steps


def _worth(group: ValueClass, gain: Mapping[str, float], cost: Mapping[str, int]) -> float:
    return sum(gain[name] for name in group.convs) / max(sum(cost[name] for name in group.convs), 1)


def _switch(model: nn.Module, names: Sequence[str], *, enabled: bool) -> None:
    convs = quantized_convolutions(model)
    for name in names:
        convs[name].input_quantizer.enabled = convs[name].weight_quantizer.enabled = enabled
