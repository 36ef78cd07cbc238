"""Measure the speed of exported files in ONNX Runtime: `python -m pytest tests/bench/bench_int8.py -m bench -s`.

The weights of the YOLOv7-tiny with ReLU are random, as the speed does not depend on them.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from engine.export.coverage import int8_coverage
from engine.export.int8 import to_runtime_int8, without_quantization
from engine.export.latency import measure
from engine.export.onnx_export import export_onnx
from engine.models.config import load_model_config
from engine.models.fuse import fuse_model
from engine.models.yolo import build_model
from engine.quant.calibration.calibrate import collect, set_ranges
from engine.quant.state import quantize_model


@pytest.mark.bench
@pytest.mark.parametrize("keep_float", ["default", r"model\.0\.conv model\.77\.m\..*"])
@pytest.mark.parametrize("size", [320, 640])
def test_latency(tmp_path: Path, keep_float: str, size: int) -> None:
    torch.manual_seed(0)
    model = fuse_model(build_model(load_model_config("yolov7-tiny"), nc=80, act="relu").eval(), in_place=True)
    model.requires_grad_(False)
    quantize_model(model, keep_float.split())
    set_ranges(model, collect(model, [torch.rand(2, 3, 320, 320)]), "max")
    files = {name: tmp_path / f"{name.replace('/', '')}.onnx" for name in ("float", "ONNX Q/DQ", "ONNX INT8")}
    qdq = export_onnx(model, files["ONNX Q/DQ"], image_size=size)
    onnx.save(without_quantization(qdq), files["float"])
    onnx.save(to_runtime_int8(qdq), files["ONNX INT8"])
    images = np.random.default_rng(0).random((1, 3, size, size), dtype=np.float32)
    latencies = measure(files, images, rounds=30, threads=1)
    print(
        f"\nyolov7-tiny {size} px, --keep-float {keep_float}, 1 thread, ms (least, median), MB, convolutions in int8:"
    )
    for name, latency in latencies.items():
        coverage = int8_coverage(files[name])
        print(
            f"  {name:<10} {latency.least:6.1f} {latency.median:6.1f} {latencies['float'].least / latency.least:5.2f}x "
            f"{files[name].stat().st_size / 1e6:6.1f} MB {coverage.int8}/{coverage.convolutions}"
        )
