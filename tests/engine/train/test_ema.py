"""The average of a model with parts that several modules share."""

import copy

import pytest
import torch
from torch import nn

from engine.train.ema import ModelEMA


def test_what_two_modules_share_is_averaged_once() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    first.register_buffer("range", torch.tensor(1.0))
    model = nn.Sequential(first, second, first)
    ema = ModelEMA(model, decay=0.5, ramp=1e-9)
    old = copy.deepcopy(ema.model.state_dict())
    with torch.no_grad():
        for value in model[:2].parameters():
            value += 1.0
        first.range += 1.0  # type: ignore[operator]
    ema.update(model)
    for name, value in ema.model.state_dict().items():
        torch.testing.assert_close(value, old[name] + 0.5, msg=name)
    assert float(ema.model[2].range) == pytest.approx(1.5)


def test_an_evaluation_in_between_does_not_detach_the_average() -> None:
    model = nn.Conv2d(4, 4, 3)
    model.register_parameter("range", nn.Parameter(torch.ones(4, 1, 1, 1).as_strided((4, 1, 1, 1), (1, 4, 4, 4))))
    ema = ModelEMA(model, decay=0.5, ramp=1e-9)
    ema.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    old = copy.deepcopy(ema.model.state_dict())
    with torch.no_grad():
        for value in model.parameters():
            value += 1.0
    ema.update(model)
    for name, value in ema.model.state_dict().items():
        torch.testing.assert_close(value, old[name] + 0.5, msg=name)
