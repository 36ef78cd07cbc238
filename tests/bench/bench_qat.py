"""Measure the cost of calibration and fine-tuning: `python -m pytest tests/bench/bench_qat.py -m bench -s`.

Prints the figures for `docs/benchmarks.md`.
"""

import copy
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
from engine.models.yolo import YoloModel, build_model
from engine.quant.calibration.amax import METHODS
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.calibration.search import PERCENTILES
from engine.quant.finetuning.distill import FeatureDistillation
from engine.quant.finetuning.finetune import make_trainable, with_distillation
from engine.quant.finetuning.learned_ranges import build_range_optimizer, learn_ranges
from engine.quant.quantizer import input_quantizers
from engine.quant.state import quantize_model
from engine.train.hyp import load_hyp, scale_gains
from engine.train.optimizer import build_optimizer
from tests.bench.bench_train import targets

ROUNDS = 12
SIZE, BATCH = 256, 4


def tiny() -> YoloModel:
    """Build YOLOv7-tiny of full width with ReLU, fused."""
    torch.manual_seed(0)
    return fuse_model(build_model(load_model_config("yolov7-tiny"), nc=80, act="relu").eval(), in_place=True)


@pytest.mark.bench
@pytest.mark.parametrize("keep_float", [("none",), (r"model\.0\..*", r"model\.77\.m\..*")])
def test_all_calibrators_after_collection(keep_float: tuple[str, ...]) -> None:
    model = tiny()
    quantize_model(model, keep_float)
    images = torch.rand(BATCH, 3, 640, 640, generator=torch.Generator().manual_seed(0))
    start = time.perf_counter()
    histograms = collect(model, [images])
    collect_seconds = time.perf_counter() - start
    print(f"\n{len(input_quantizers(model))} scales; collecting {BATCH} images of 640 px: {collect_seconds:.2f} s")
    total = 0.0
    for method in METHODS:
        for percentile in PERCENTILES if method == "percentile" else (0.0,):
            start = time.perf_counter()
            set_ranges(model, histograms, method, percentile=percentile)
            total += (seconds := time.perf_counter() - start)
            print(f"  {method} {percentile or '':<8} {1000 * seconds:7.0f} ms")
    print(f"  all {total:.2f} s, {torch.get_num_threads()} threads")


Step = Callable[[], None]


def steps(images: Tensor) -> dict[str, Step]:
    """Return kind → a function that trains one step on `images`."""
    hyp, labels = scale_gains({**load_hyp("hyp.qat"), "nominal_batch": BATCH}, 3, 80, SIZE, 0.0), targets(BATCH, 14)
    floating, calibrated = tiny(), tiny()
    quantize_model(calibrated)
    set_ranges(calibrated, collect(calibrated, [images]), "max")
    steps_by_kind: dict[str, Step] = {}
    for name in ("float", "quantized", "with teacher", "learned ranges"):
        model = copy.deepcopy(floating if name == "float" else calibrated)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        make_trainable(model)
        if name == "learned ranges":
            learn_ranges(model)
        build = build_range_optimizer if name == "learned ranges" else build_optimizer
        optimizer = (
            build_optimizer(model, hyp, BATCH, adam=True) if build is build_optimizer else build(model, hyp, BATCH)
        )
        task = ComputeLossOTA(HeadGeometry.of(model), hyp)

        def plain(raws: list[Tensor], labels: Tensor, _: Tensor, task: ComputeLossOTA = task) -> tuple[Tensor, Tensor]:
            return task(raws, labels)

        loss = plain
        if name == "with teacher":
            teacher = copy.deepcopy(calibrated).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            loss = with_distillation(plain, FeatureDistillation(model, teacher), 1.0)  # type: ignore[assignment,arg-type]

        def step(model: YoloModel = model, loss: object = loss, optimizer: torch.optim.Optimizer = optimizer) -> None:
            loss(model.train()(images), labels, images)[0].backward()  # type: ignore[operator]
            optimizer.step()
            optimizer.zero_grad()

        steps_by_kind[name] = step
    return steps_by_kind


@pytest.mark.bench
def test_a_quantized_step_against_a_float_one() -> None:
    images = torch.rand(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    steps_by_kind = steps(images)
    times: dict[str, list[float]] = {name: [] for name in steps_by_kind}
    for turn in range(-2, ROUNDS):
        for name, step in steps_by_kind.items():
            start = time.perf_counter()
            step()
            if turn >= 0:
                times[name].append(1000 * (time.perf_counter() - start))
    print(f"\nfused yolov7-tiny {SIZE} px, batch {BATCH}, {torch.get_num_threads()} threads, {ROUNDS} rounds in turn:")
    for name, milliseconds in times.items():
        median, least = statistics.median(milliseconds), min(milliseconds)
        pairs = [one / other for one, other in zip(milliseconds, times["float"], strict=True)]
        print(
            f"  {name:<15} median {median:5.0f} ms, least {least:5.0f} ms; of float: "
            f"{statistics.median(pairs):.2f}x by rounds, {least / min(times['float']):.2f}x by least"
        )
