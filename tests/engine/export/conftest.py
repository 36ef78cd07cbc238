"""A model so shallow that rounding is not amplified: only such a one can be compared tightly without training."""

import pytest
import torch
from torch import nn

from engine.models.config import parse_model_config
from engine.models.fuse import fuse_model
from engine.models.yolo import YoloModel, build_model
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.state import quantize_model

SHALLOW = {
    "nc": 2,
    "anchors": [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119]],
    "backbone": [
        [-1, 1, "Conv", [16, 3, 2, None, 1, "nn.ReLU()"]],
        [-1, 1, "Conv", [16, 3, 2, None, 1, "nn.ReLU()"]],
        [-2, 1, "MP", []],
        [[-1, -2], 1, "Concat", [1]],
        [-1, 1, "Conv", [16, 3, 2, None, 1, "nn.ReLU()"]],
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 3], 1, "Concat", [1]],
        [-1, 1, "Conv", [16, 1, 1, None, 1, "nn.ReLU()"]],
    ],
    "head": [[[7, 4], 1, "IDetect", ["nc", "anchors"]]],
}


@pytest.fixture
def shallow() -> YoloModel:
    """Fused, with concatenation, pooling and upsampling."""
    torch.manual_seed(0)
    config = parse_model_config(SHALLOW, "shallow", "shallow")
    model = build_model(config, names=["square", "disc"])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return fuse_model(model.eval(), in_place=True)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def shallow_ptq(shallow: YoloModel, images: torch.Tensor) -> YoloModel:
    """The same with quantizers and ranges; only the head's output convolutions are float."""
    quantize_model(shallow, [r"model\.8\.m\..*"])
    set_ranges(shallow, collect(shallow, [images]), "mse")
    return shallow
