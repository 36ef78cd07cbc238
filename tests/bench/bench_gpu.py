"""Measure the cost of fine-tuning on a GPU: `python -m pytest tests/bench/bench_gpu.py -m bench -s`.

Prints the figures for `docs/benchmarks.md`.
"""

import copy
import statistics
import time

import pytest
import torch

from engine.losses.geometry import HeadGeometry
from engine.losses.ota import ComputeLossOTA
from engine.models.config import load_model_config
from engine.models.fuse import fuse_model
from engine.models.yolo import YoloModel, build_model
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.finetuning.finetune import make_trainable, with_distillation
from engine.quant.finetuning.learned_ranges import build_range_optimizer, learn_ranges
from engine.quant.state import quantize_model
from engine.train.hyp import load_hyp, scale_gains
from engine.train.optimizer import build_optimizer
from tests.bench.bench_train import targets

SIZE, BATCH, ROUNDS = 640, 16, 20
KINDS = ("float", "quantized", "with teacher", "learned ranges")


def fused(name: str) -> YoloModel:
    """Build a model of full width with ReLU, fused."""
    torch.manual_seed(0)
    return fuse_model(build_model(load_model_config(name), nc=80, act="relu").eval(), in_place=True)


@pytest.mark.bench
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("name", ["yolov7-tiny", "yolov7"])
def test_a_quantized_step_against_a_float_one(name: str) -> None:
    device = torch.device("cuda")
    images = torch.rand(BATCH, 3, SIZE, SIZE, device=device).to(memory_format=torch.channels_last)
    labels = targets(BATCH, 14).to(device)
    hyp = scale_gains({**load_hyp("hyp.qat"), "nominal_batch": BATCH}, 3, 80, SIZE, 0.0)
    floating = fused(name).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    calibrated = copy.deepcopy(floating)
    quantize_model(calibrated)
    start = time.perf_counter()
    histograms = collect(calibrated, images.split(4))
    collect_seconds = time.perf_counter() - start
    set_ranges(calibrated, histograms, "max")
    print(f"\nfused {name}, {SIZE} px, batch {BATCH}, AMP, {torch.cuda.get_device_name()}, torch {torch.__version__}")
    print(f"  collecting {BATCH} images: {collect_seconds:.2f} s")
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    memory: dict[str, float] = {}
    for kind in KINDS:
        model = copy.deepcopy(floating if kind == "float" else calibrated)
        make_trainable(model)
        if kind == "learned ranges":
            learn_ranges(model)
            optimizer = build_range_optimizer(model, hyp, BATCH)
        else:
            optimizer = build_optimizer(model, hyp, BATCH, adam=True)
        task = ComputeLossOTA(HeadGeometry.of(model), hyp)
        loss = lambda raws, labels, _, task=task: task(raws, labels)  # noqa: E731
        if kind == "with teacher":
            loss = with_distillation(loss, FeatureDistillation(model, copy.deepcopy(calibrated)), 1.0)
        scaler = torch.amp.GradScaler("cuda")
        model.train()
        torch.cuda.reset_peak_memory_stats()
        for turn in range(-5, ROUNDS):
            torch.cuda.synchronize()
            start = time.perf_counter()
            with torch.autocast("cuda"):
                raws = model(images)
            forward = time.perf_counter()
            with torch.autocast("cuda"):
                total = loss(raws, labels, images)[0]
            scaler.scale(total).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            torch.cuda.synchronize()
            if turn >= 0:
                times[kind].append(1000 * (time.perf_counter() - start))
        memory[kind] = torch.cuda.max_memory_allocated() / 1e9
        print(f"  {kind:<15} forward issued in {1000 * (forward - start):.1f} ms", end="")
        print(
            f", step median {statistics.median(times[kind]):6.1f} ms, least {min(times[kind]):6.1f} ms,"
            f" {memory[kind]:.1f} GB; of float "
            f"{statistics.median(times[kind]) / statistics.median(times['float']):.2f}x by median,"
            f" {min(times[kind]) / min(times['float']):.2f}x by least"
        )
