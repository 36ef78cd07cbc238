"""What a training step costs: `python -m pytest tests/bench/bench_train.py -m bench -s`.

Prints the figures of `docs/benchmarks.md`.
"""

import itertools
import platform
import statistics
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.losses.geometry import HeadGeometry
from engine.losses.ota import ComputeLossOTA
from engine.models.config import load_model_config
from engine.models.fuse import fuse_model
from engine.models.yolo import build_model
from engine.quant.calibrate import collect, set_ranges
from engine.quant.finetune import make_trainable
from engine.quant.state import quantize_model
from engine.train.ema import ModelEMA
from engine.train.hyp import load_hyp, scale_gains
from engine.train.optimizer import build_optimizer

ROUNDS = 8


def targets(images: int, per_image: int) -> Tensor:
    """(n, 6): image, class, and a box within the picture."""
    generator = torch.Generator().manual_seed(0)
    n = images * per_image
    boxes = torch.rand(n, 4, generator=generator) * torch.tensor([0.8, 0.8, 0.2, 0.2]) + 0.1
    owner = torch.arange(images).repeat_interleave(per_image).float()
    return torch.cat([owner[:, None], torch.randint(0, 80, (n, 1), generator=generator).float(), boxes], 1)


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


@pytest.mark.bench
@pytest.mark.parametrize("batch", [4, 8])
def test_parts_of_a_training_step(batch: int) -> None:
    torch.manual_seed(0)
    model = build_model(load_model_config("yolov7-tiny"), nc=80, act="relu").to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    hyp = scale_gains(load_hyp("hyp.scratch.tiny"), 3, 80, 320, 0.0)
    loss, optimizer, ema = ComputeLossOTA(HeadGeometry.of(model), hyp), build_optimizer(model, hyp, 64), ModelEMA(model)
    images = torch.rand(batch, 3, 320, 320).to(memory_format=torch.channels_last)
    labels = targets(batch, 14)
    rows = []
    model.train()
    for _ in range(ROUNDS + 2):
        laps = [time.perf_counter()]
        raws = model(images)
        laps.append(time.perf_counter())
        total = loss(raws, labels)[0]
        laps.append(time.perf_counter())
        total.backward()
        laps.append(time.perf_counter())
        optimizer.step()
        optimizer.zero_grad()
        laps.append(time.perf_counter())
        ema.update(model)
        laps.append(time.perf_counter())
        rows.append([1000 * (end - start) for start, end in itertools.pairwise(laps)])
    parts = [statistics.median(column) for column in zip(*rows[2:], strict=True)]
    least = sum(min(column) for column in zip(*rows[2:], strict=True))
    names = ("forward", "OTA loss", "backward", "optimizer", "EMA")
    print(f"\nyolov7-tiny 320 px, batch {batch}, {torch.get_num_threads()} threads, {platform.machine()}, median ms:")
    print("  ".join(f"{name} {part:.0f}" for name, part in zip(names, parts, strict=True)), end="")
    print(f"  total {sum(parts):.0f} (least {least:.0f})")


@pytest.mark.bench
def test_a_quantized_step_against_a_float_one() -> None:
    torch.manual_seed(0)
    config = load_model_config("yolov7-tiny")
    float_model = fuse_model(build_model(config, nc=80, act="relu").eval(), in_place=True)
    quantized = fuse_model(build_model(config, nc=80, act="relu").eval(), in_place=True)
    quantize_model(quantized)
    images = torch.rand(4, 3, 256, 256).to(memory_format=torch.channels_last)
    set_ranges(quantized, collect(quantized, [images]), "max")
    hyp, labels = scale_gains(load_hyp("hyp.qat"), 3, 80, 256, 0.0), targets(4, 14)
    times: dict[str, list[float]] = {"float": [], "quantized": []}
    runs = {}
    for name, model in (("float", float_model), ("quantized", quantized)):
        make_trainable(model)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        loss, optimizer = ComputeLossOTA(HeadGeometry.of(model), hyp), build_optimizer(model, hyp, 64, adam=True)

        def step(
            model: torch.nn.Module = model, loss: ComputeLossOTA = loss, optimizer: torch.optim.Optimizer = optimizer
        ) -> None:
            loss(model.train()(images), labels)[0].backward()
            optimizer.step()
            optimizer.zero_grad()

        runs[name] = step
    for turn in range(-2, ROUNDS):
        for name, step in runs.items():
            took = timed(step)
            if turn >= 0:
                times[name].append(took)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(
        f"\nfused yolov7-tiny 256 px, batch 4, {torch.get_num_threads()} threads: float {medians['float']:.0f} ms, "
        f"quantized {medians['quantized']:.0f} ms, {medians['quantized'] / medians['float']:.2f}x"
    )
