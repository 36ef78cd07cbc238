"""Layers, parameters, state-dict keys, outputs and fusing of YOLOv7 and YOLOv7-tiny against the original's numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.models.config import load_model_config
from engine.models.fuse import fuse_model
from engine.models.summary import summarize
from engine.models.transfer import transfer
from engine.models.yolo import YoloModel, build_model
from tests.engine.models.rules import fill_by_rule, read, rule_input

MODELS = ("yolov7-tiny", "yolov7")


def build(golden: Path, name: str) -> YoloModel:
    model = build_model(load_model_config(name))
    fill_by_rule(model, read(golden, f"state_dict_{name}_training"), read(golden, f"forward_{name}")["gain"])
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", ["training", "fused", "deploycfg"])
def test_state_dict_keys_shapes_and_order(golden: Path, name: str, form: str) -> None:
    model = build_model(load_model_config(f"cfg/deploy/{name}.yaml" if form == "deploycfg" else name))
    if form == "fused":
        model = fuse_model(model)
    expected = [(e["key"], e["shape"]) for e in read(golden, f"state_dict_{name}_{form}")]
    assert [(key, list(value.shape)) for key, value in model.state_dict().items()] == expected


@pytest.mark.parametrize("name", MODELS)
def test_summary_of_the_model_as_trained_and_fused(golden: Path, name: str) -> None:
    expected = read(golden, "summary")[name]
    model = build_model(load_model_config(name))
    for form, built in (("training", model), ("fused", fuse_model(model.requires_grad_(False)))):
        if form == "training":
            model.requires_grad_(True)
        found = summarize(built)
        assert (found.layers, found.parameters) == (expected[form]["layers"], expected[form]["parameters"])
        assert found.gradients == expected[form]["gradients"]
        assert f"{found.gflops:.1f}" == expected[form]["gflops_640_text"]


@pytest.mark.parametrize("name", MODELS)
def test_parameters_of_every_layer(golden: Path, name: str) -> None:
    model = build_model(load_model_config(name))
    found = [sum(p.numel() for p in layer.parameters()) for layer in model.model]
    assert found == [row["params"] for row in read(golden, f"layers_{name}")]


@pytest.mark.parametrize(("name", "tag"), [("yolov7-tiny", "a64"), ("yolov7-tiny", "c96x160"), ("yolov7", "a64")])
def test_outputs(golden: Path, name: str, tag: str) -> None:
    model = build(golden, name)
    images = rule_input(tag, read(golden, f"forward_{name}")["cases"][tag]["input_shape"])
    expected = np.load(golden / "models" / f"forward_{name}_{tag}.npz")
    with torch.no_grad():
        decoded, raws = model(images)
        fused, _ = fuse_model(model)(images)
    for level, raw in enumerate(raws):
        np.testing.assert_allclose(raw.numpy(), expected[f"raw{level}"], atol=1e-4, rtol=0)
    for found, key in ((decoded, "decoded"), (fused, "fused_decoded")):
        np.testing.assert_allclose(found[..., :4].numpy(), expected[key][..., :4], atol=0.02, rtol=0)
        np.testing.assert_allclose(found[..., 4:].numpy(), expected[key][..., 4:], atol=1e-4, rtol=0)


def test_a_fused_model_has_neither_batchnorm_nor_branches_and_leaves_the_original_alone() -> None:
    model = build_model(load_model_config("yolov7-tiny"), act="relu")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fused = fuse_model(model)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fused.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "nc", "expected"),
    [
        ("yolov7", 80, (558, 566)),
        ("yolov7", 3, (552, 566)),
        ("yolov7-tiny", 80, (336, 344)),
        ("yolov7-tiny", 3, (330, 344)),
    ],
)
def test_transferred_items_from_the_released_form(name: str, nc: int, expected: tuple[int, int]) -> None:
    released = build_model(load_model_config(f"cfg/deploy/{name}.yaml"))
    assert transfer(build_model(load_model_config(name), nc=nc), released.state_dict()) == expected


def test_weights_without_implicit_vectors_compute_what_they_computed() -> None:
    """`yolov7.pt` has a plain head: read into a training model it must not start from random implicit vectors."""
    released = build_model(load_model_config("cfg/deploy/yolov7-tiny.yaml")).eval()
    model = build_model(load_model_config("yolov7-tiny")).eval()
    transfer(model, released.state_dict())
    images = rule_input("any", [1, 3, 64, 64])
    with torch.no_grad():
        torch.testing.assert_close(model(images)[0], released(images)[0])


@pytest.mark.parametrize("act", ["relu", "silu", "relu6"])
def test_the_activation_is_replaced_everywhere(act: str) -> None:
    kinds = {"relu": torch.nn.ReLU, "silu": torch.nn.SiLU, "relu6": torch.nn.ReLU6}
    for name, count in (("yolov7", 89), ("yolov7-tiny", 58 - 3)):
        model = build_model(load_model_config(name), act=act)
        found = [
            m
            for m in model.modules()
            if isinstance(m, torch.nn.SiLU | torch.nn.ReLU | torch.nn.ReLU6 | torch.nn.LeakyReLU)
        ]
        assert {type(m) for m in found} == {kinds[act]}
        assert len(found) == count


def test_width_scales_channels_to_multiples_of_eight() -> None:
    model = build_model(load_model_config("yolov7-tiny"), nc=4, width=0.25)
    channels = {m.out_channels for m in model.modules() if isinstance(m, torch.nn.Conv2d)}
    assert max(channels - {27}) == 128
    assert all(c % 8 == 0 for c in channels - {27})
