"""Measure the cost of the quantizer libraries: `python -m pytest tests/bench/bench_backends.py -m bench -s`.

Prints the figures for `docs/benchmarks.md`.
"""

import statistics
import subprocess
import sys
import time

import pytest
import torch

from engine.models.yolo import YoloModel
from engine.quant.backends import MODULES
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.finetuning.finetune import make_trainable
from engine.quant.state import quantize_model
from tests.bench.bench_qat import BATCH, SIZE, tiny
from tests.conftest import REPOSITORY

ROUNDS = 12
IMPORT = """
import resource, sys, time, torch, engine.quant.state
from engine.quant.backends import load_backend
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
load_backend(sys.argv[1])
print(time.perf_counter() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.bench
@pytest.mark.parametrize("backend", MODULES)
def test_import(backend: str) -> None:
    samples = []
    for _ in range(5):
        command = [sys.executable, "-c", IMPORT, backend]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        samples.append([float(value) for value in done.stdout.split()])
    seconds, megabytes = (statistics.median(column) for column in zip(*samples, strict=True))
    print(f"\n{backend}: {seconds:.1f} s and {megabytes:.0f} MB more than torch, median of {len(samples)}")


@pytest.mark.bench
def test_forward_and_backward() -> None:
    images = torch.rand(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    models: dict[str, YoloModel] = {}
    for name in ("float", *MODULES):
        model = tiny()
        if name != "float":
            quantize_model(model, backend=name)
            set_ranges(model, collect(model, [images]), "max")
        make_trainable(model)
        models[name] = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(-2, ROUNDS):
        for name, model in models.items():
            start = time.perf_counter()
            sum(raw.square().mean() for raw in model(images)).backward()  # type: ignore[union-attr]
            if turn >= 0:
                times[name].append(1000 * (time.perf_counter() - start))
    print(f"\nfused yolov7-tiny {SIZE} px, batch {BATCH}, {torch.get_num_threads()} threads, {ROUNDS} rounds in turn:")
    for name, milliseconds in times.items():
        pairs = [one / other for one, other in zip(milliseconds, times["float"], strict=True)]
        median = statistics.median(milliseconds)
        print(f"  {name:<20} median {median:5.0f} ms; of float: {statistics.median(pairs):.2f}x by rounds")
