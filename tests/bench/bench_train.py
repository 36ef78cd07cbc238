"""Measure the cost of a training step: `python -m pytest tests/bench/bench_train.py -m bench -s`.

Prints the figures for `docs/benchmarks.md`.
"""

import itertools
import platform
import statistics
import time

import pytest
import torch
from torch import Tensor

from engine.losses.geometry import HeadGeometry
from engine.losses.ota import ComputeLossOTA
from engine.models.config import load_model_config
from engine.models.yolo import build_model
from engine.train.ema import ModelEMA
from engine.train.hyp import load_hyp, scale_gains
from engine.train.optimizer import build_optimizer

ROUNDS = 8


def targets(images: int, per_image: int) -> Tensor:
    """Return random targets (n, 6): image, class, and a box within the image."""
    generator = torch.Generator().manual_seed(0)
    n = images * per_image
    boxes = torch.rand(n, 4, generator=generator) * torch.tensor([0.8, 0.8, 0.2, 0.2]) + 0.1
    owner = torch.arange(images).repeat_interleave(per_image).float()
    return torch.cat([owner[:, None], torch.randint(0, 80, (n, 1), generator=generator).float(), boxes], 1)


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
