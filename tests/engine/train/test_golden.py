"""Schedule, EMA, parameter groups and one whole training step against the original's numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine.losses.geometry import HeadGeometry
from engine.losses.loss import ComputeLoss
from engine.losses.ota import ComputeLossOTA
from engine.models.config import load_model_config
from engine.models.yolo import build_model
from engine.train.ema import ModelEMA
from engine.train.optimizer import build_optimizer, parameter_groups, scaled_weight_decay
from engine.train.schedule import Schedule
from tests.engine.models.rules import fill_by_rule, read, rule_input


@pytest.mark.parametrize("name", ["cosine_p5_bs16", "cosine_p5_bs64_nb20", "linear_tiny_bs32"])
def test_learning_rates_momentum_and_steps(golden: Path, name: str) -> None:
    info = json.loads((golden / "schedule" / f"{name}.json").read_text())
    expected = np.load(golden / "schedule" / f"{name}.npz")
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    optimizer = build_optimizer(model, info["hyp_values"], info["batch"])
    schedule = Schedule(
        optimizer,
        info["hyp_values"],
        epochs=info["epochs"],
        batches_per_epoch=info["nb"],
        batch_size=info["batch"],
        linear_lr=name.startswith("linear"),
    )
    assert schedule.warmup_iterations == info["warmup_iterations"]
    assert scaled_weight_decay(info["hyp_values"], info["batch"]) == pytest.approx(info["scaled_weight_decay"])
    rates, momenta, accumulates, steps = [], [], [], []
    for epoch in range(info["epochs"]):
        schedule.start_epoch(epoch)
        for batch in range(info["nb"]):
            iteration = epoch * info["nb"] + batch
            schedule.start_iteration(iteration, epoch)
            rates.append(schedule.learning_rates)
            momenta.append(optimizer.param_groups[0]["momentum"])
            accumulates.append(schedule.accumulate)
            steps.append(schedule.steps_after(iteration))
    np.testing.assert_allclose(np.array(rates), expected["lr"], rtol=1e-9)
    np.testing.assert_allclose(np.array(momenta), expected["momentum"], rtol=1e-9)
    np.testing.assert_array_equal(accumulates, expected["accumulate"])
    np.testing.assert_array_equal(steps, expected["optimizer_step"])


def test_ema_decay_and_five_updates(golden: Path) -> None:
    info = json.loads((golden / "ema" / "ema.json").read_text())
    arrays = np.load(golden / "ema" / "ema_steps.npz")
    state = {key.removeprefix("init."): torch.from_numpy(arrays[key]) for key in arrays if key.startswith("init.")}
    model = nn.Module()
    for key, value in state.items():
        model.register_buffer(key.replace(".", "__"), value.clone())
    ema = ModelEMA(model)
    for updates, decay in info["decay"].items():
        assert ema.decay_at(int(updates)) == pytest.approx(decay, rel=1e-12)
    for step in range(1, 6):
        for key in state:
            getattr(model, key.replace(".", "__")).copy_(torch.from_numpy(arrays[f"step{step}.{key}"]))
        ema.update(model)
        for key in state:
            found = ema.model.state_dict()[key.replace(".", "__")].numpy()
            np.testing.assert_allclose(found, arrays[f"ema{step}.{key}"], rtol=1e-5, atol=1e-7)
    assert ema.updates == info["updates_after"]


@pytest.mark.parametrize("name", ["yolov7", "yolov7-tiny"])
def test_parameter_groups(golden: Path, name: str) -> None:
    expected = read(golden, f"param_groups_{name}")
    groups = parameter_groups(build_model(load_model_config(name)))
    for found, key in ((groups.scales, "pg0"), (groups.weights, "pg1"), (groups.biases, "pg2")):
        assert sorted(found) == sorted(expected[key]["keys"])


@pytest.mark.parametrize(("kind", "loss"), [("ota", ComputeLossOTA), ("loss", ComputeLoss)])
def test_one_training_step(golden: Path, kind: str, loss: type[ComputeLoss]) -> None:
    info = json.loads((golden / "train_step" / "yolov7-tiny_step128.json").read_text())
    arrays = np.load(golden / "train_step" / "yolov7-tiny_step128.npz")
    model = build_model(load_model_config("yolov7-tiny"))
    fill_by_rule(model, read(golden, "state_dict_yolov7-tiny_training"), info["gain"])
    images = rule_input(info["input_tag"], info["input_shape"])
    optimizer = build_optimizer(model, {**info["hyp"], "weight_decay": info["sgd"]["weight_decay_group1"]}, 64)
    total, items = loss(HeadGeometry.of(model), info["hyp"])(model.train()(images), torch.from_numpy(arrays["targets"]))
    assert float(total.detach()) == pytest.approx(info[kind]["loss_times_bs"], rel=1e-4)
    assert items.tolist() == pytest.approx(info[kind]["items_box_obj_cls_total"], rel=1e-4)
    total.backward()
    norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in model.parameters() if p.grad is not None))
    assert float(norm) == pytest.approx(info[kind]["grad_norm_total"], rel=2e-2)
    gradients = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    for name, expected in info[kind]["grad_norms"].items():
        assert gradients[name] == pytest.approx(expected, rel=2e-2, abs=1e-5), name
    for name, (total_sum, norm) in info[kind]["bn_running_after_forward_sum_norm"].items():
        value = model.state_dict()[name]
        assert float(value.sum()) == pytest.approx(total_sum, rel=1e-5, abs=1e-5), name
        assert float(value.norm()) == pytest.approx(norm, rel=1e-5, abs=1e-5), name
    optimizer.step()
    for name, (_, expected) in info[kind]["params_after_one_sgd_step_sum_norm"].items():
        assert float(model.state_dict()[name].float().norm()) == pytest.approx(expected, rel=1e-3, abs=1e-4), name
