"""Which convolutions are quantized, and which inputs share a scale."""

import pytest
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.models.config import load_model_config
from engine.models.fuse import fuse_model
from engine.models.yolo import YoloModel, build_model
from engine.quant.placement import find_value_classes, place_quantizers
from engine.quant.policy import resolve_policy
from engine.quant.quantizer import input_quantizers, quantized_convolutions

FIRST_AND_HEAD = [r"model\.0\.conv", r"model\.77\.m\..*"]


@pytest.mark.parametrize(
    ("name", "keep_float", "convolutions", "tensors", "classes"),
    [
        ("yolov7-tiny", FIRST_AND_HEAD, 54, 43, 23),
        ("yolov7-tiny", ["default"], 58, 47, 27),
        ("yolov7", ["default"], 89, 76, 45),
    ],
)
def test_counts_of_the_published_models(
    name: str, keep_float: list[str], convolutions: int, tensors: int, classes: int
) -> None:
    model = fuse_model(build_model(load_model_config(name), width=0.125).eval())
    policy = resolve_policy(model, keep_float)
    found = find_value_classes(model, policy.quantized, torch.zeros(1, 3, 64, 64))
    assert len(policy.quantized) == convolutions
    assert sum(group.tensors for group in found) == tensors
    assert len(found) == classes
    assert sorted(name for group in found for name in group.convs) == sorted(policy.quantized)
    place_quantizers(model, found)
    assert len(quantized_convolutions(model)) == convolutions
    assert len(input_quantizers(model)) == classes


def test_the_image_size_does_not_change_the_classes(narrow_tiny: YoloModel) -> None:
    paths = resolve_policy(narrow_tiny, ["default"]).quantized
    small, large = (find_value_classes(narrow_tiny, paths, torch.zeros(1, 3, side, side)) for side in (64, 160))
    assert small == large


def test_values_are_followed_through_every_kind_of_tie() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("a", "b", "c", "pooled", "resized", "joined", "summed", "apart"):
                channels = {"a": 3, "joined": 16}.get(name, 8)
                setattr(self, name, nn.Conv2d(channels, 8, 1))

        def forward(self, x: Tensor) -> list[Tensor]:
            x = self.a(x)
            b, c = self.b(x), self.c(x)
            pooled = self.pooled(nn.functional.max_pool2d(b, 2))
            resized = self.resized(nn.functional.interpolate(b, scale_factor=2, mode="nearest"))
            joined = self.joined(torch.cat([b, c], 1))
            summed = self.summed(x + joined)
            return [pooled, resized, self.apart(summed)]

    model = Net().train()
    paths = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    groups = {group.convs for group in find_value_classes(model, paths, torch.rand(1, 3, 8, 8))}
    assert groups == {("a",), ("b", "c", "summed"), ("pooled", "resized", "joined"), ("apart",)}
    assert model.training


def test_a_convolution_that_never_runs_is_named() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    with pytest.raises(YoloqatError, match="spare"):
        find_value_classes(Idle(), ["used", "spare"], torch.rand(1, 3, 4, 4))


def test_policy_default_of_tiny_and_of_yolov7(narrow_tiny: YoloModel) -> None:
    heads = ("model.77.m.0", "model.77.m.1", "model.77.m.2")
    assert resolve_policy(narrow_tiny, ["default"]).floating == ()
    assert resolve_policy(narrow_tiny, FIRST_AND_HEAD).floating == ("model.0.conv", *heads)
    yolov7 = fuse_model(build_model(load_model_config("yolov7"), width=0.125).eval())
    assert resolve_policy(yolov7, ["default"]).floating == ("model.105.m.0", "model.105.m.1", "model.105.m.2")
    assert resolve_policy(narrow_tiny, ["none"]).floating == ()
    assert resolve_policy(narrow_tiny, [r"model\.77"]).floating == heads
    assert "model.5.conv" in resolve_policy(narrow_tiny, ["default", r"model\.5\..*"]).floating


@pytest.mark.parametrize(
    ("pattern", "message"), [("model.999", "matches no convolution"), ("model.(", "not a regular")]
)
def test_policy_mistakes_are_told(narrow_tiny: YoloModel, pattern: str, message: str) -> None:
    with pytest.raises(YoloqatError, match=message):
        resolve_policy(narrow_tiny, ["default", pattern])


def test_a_policy_that_leaves_nothing_is_refused(narrow_tiny: YoloModel) -> None:
    with pytest.raises(YoloqatError, match="no convolution to quantize"):
        resolve_policy(narrow_tiny, [".*"])
