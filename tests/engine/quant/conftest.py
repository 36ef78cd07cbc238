"""Models for the tests of quantization."""

import pytest
import torch

from engine.models.config import load_model_config
from engine.models.fuse import fuse_model
from engine.models.yolo import YoloModel, build_model


@pytest.fixture
def narrow_tiny() -> YoloModel:
    """YOLOv7-tiny at an eighth of its width with ReLU, fused, fixed random weights."""
    torch.manual_seed(0)
    model = build_model(load_model_config("yolov7-tiny"), names=["square", "disc"], act="relu", width=0.125)
    return fuse_model(model.eval(), in_place=True)
