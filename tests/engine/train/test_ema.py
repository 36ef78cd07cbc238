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
