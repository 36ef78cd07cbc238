"""`int8`: rewrite a Q/DQ file into an equal ONNX file that ONNX Runtime runs in int8; evaluate and time it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from engine.console.say import say
from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.int8 import Int8Options
from engine.contracts.result import StageResult
from engine.data.config import load_data_config
from engine.evaluate.predictors import OnnxPredictor
from engine.export.agreement import session as open_file
from engine.export.coverage import int8_coverage
from engine.export.graph import QUANTIZE
from engine.export.int8 import to_runtime_int8, without_quantization
from engine.export.latency import Latency, measure
from engine.export.metadata import read_metadata, write_metadata
from engine.export.onnx_export import INPUT
from engine.files.atomic import atomic_path
from engine.stages.onnx_file import comparison_images, evaluate_onnx
from engine.stages.session import Session

LABEL = "ONNX INT8"
COMPARED_IMAGES = 2
SUM_TOLERANCE = 1e-5
"""Allowed difference of the head's float sums, relative to the largest value: they are added in another order."""


def run(options: Int8Options, session: Session) -> StageResult:
    """Rewrite `weights` to `export/model.int8.onnx`."""
    session.device("cpu")
    if options.letterbox != "square":
        raise YoloqatError(
            "--letterbox rect: an exported file takes square images only", hint="Leave --letterbox at square."
        )
    predictor = OnnxPredictor(options.weights)
    session.add_input("weights", options.weights)
    data = load_data_config(options.data) if options.data else None
    if data is not None:
        session.add_input("data", data.path)
    if predictor.nms is not None and data is not None and not options.notest:
        predictor.nms.check(options.conf_thres, options.iou_thres)
    source = _load_qdq_graph(options.weights)
    size = _fixed_image_size(predictor, options.weights)
    path = session.run_dir / "export" / "model.int8.onnx"
    images = comparison_images(data, size, 1 if predictor.fixed_batch else COMPARED_IMAGES).numpy()
    equality = _write_equal_file(source, path, images, options)
    coverage = int8_coverage(path)
    say(
        f"ONNX: saved as {path} ({path.stat().st_size / 1e6:.1f} MB), equal to {options.weights} {equality}\n"
        f"int8 in ONNX Runtime: {coverage.int8} of {coverage.convolutions} convolutions"
    )
    emit("export", label=LABEL, path="export/model.int8.onnx", size_bytes=path.stat().st_size, **asdict(coverage))
    details: dict[str, Any] = {"coverage": asdict(coverage), "image_size": size}
    if options.rounds:
        details["latency"] = _measure_latency(options, source, path, images[:1])
    evaluations = []
    if data is not None and not options.notest:
        predictions = "int8_predictions.json"
        evaluations = [evaluate_onnx(path, options, session, data, size, label=LABEL, predictions=predictions)]
    return session.finish({"onnx": path}, evaluations=evaluations, details=details)


def _load_qdq_graph(weights: str) -> onnx.ModelProto:
    model = onnx.load(weights)
    metadata = read_metadata(model)
    if metadata.get("producer") != "yoloqat" or not any(node.op_type == QUANTIZE for node in model.graph.node):
        raise YoloqatError(
            "not a Q/DQ file written by `export`",
            where=weights,
            hint="Run `yoloqat export` on a PTQ or QAT checkpoint and give its export/model.onnx.",
        )
    if metadata.get("label") == LABEL:
        raise YoloqatError("this file has been rewritten already", where=weights)
    return model


def _fixed_image_size(predictor: OnnxPredictor, weights: str) -> int:
    if predictor.fixed_size is None or len(set(predictor.fixed_size)) != 1:
        raise YoloqatError("the file has no fixed square image size", where=weights)
    return predictor.fixed_size[0]


def _write_equal_file(source: onnx.ModelProto, path: Path, images: np.ndarray, options: Int8Options) -> str:
    """Write the rewritten file; it gets its final name only once it is valid and computes the same as `source`.

    Returns:
        A phrase for the log that says how exactly the outputs agree.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    expected = _outputs(Path(options.weights), images)
    with atomic_path(path) as temporary:
        # Compare with a float head first: everything before the head must agree bit for bit.
        exact = to_runtime_int8(source, head="float")
        _save(source, exact, temporary)
        difference = _difference(expected, _outputs(temporary, images))
        if difference:
            raise YoloqatError(
                f"the outputs of the rewritten file differ by up to {difference:.3g} of the largest value",
                where=options.weights,
                hint="Install an ONNX Runtime version that yoloqat was tested with (see pyproject.toml).",
            )
        if options.head == "int8":
            _save(source, to_runtime_int8(source), temporary)
            difference = _difference(expected, _outputs(temporary, images))
            if difference > SUM_TOLERANCE:
                _save(source, exact, temporary)
    if not difference:
        return "bit for bit"
    if difference <= SUM_TOLERANCE:
        return f"bit for bit up to the head, whose sums differ by {difference:.1g} of the largest value"
    return (
        f"bit for bit; its head stays float, for as products it would differ by {difference:.1g} of the largest value"
    )


def _save(source: onnx.ModelProto, rewritten: onnx.ModelProto, path: Path) -> None:
    write_metadata(rewritten, {**read_metadata(source), "label": LABEL})
    onnx.checker.check_model(rewritten, full_check=True)
    onnx.save(rewritten, path)


def _outputs(path: Path, images: np.ndarray) -> list[np.ndarray]:
    outputs: list[np.ndarray] = open_file(path, optimize=False).run(None, {INPUT: images})
    return outputs


def _difference(expected: Sequence[np.ndarray], actual: Sequence[np.ndarray]) -> float:
    """Return the largest difference relative to the largest value; inf if shapes differ, 0 if all bits agree."""
    largest = 0.0
    for reference, output in zip(expected, actual, strict=True):
        if reference.shape != output.shape:
            return float("inf")
        if not np.array_equal(reference, output, equal_nan=reference.dtype.kind == "f"):
            relative_error = float(np.abs(reference - output).max() / max(np.abs(reference).max(), 1e-12))
            largest = max(largest, relative_error, 1e-12) if np.isfinite(relative_error) else float("inf")
    return largest


def _measure_latency(options: Int8Options, source: onnx.ModelProto, path: Path, images: np.ndarray) -> dict[str, Any]:
    """Time the file, the Q/DQ file and the same weights in float; return the table for `result.json`."""
    float_path = path.with_name("float.tmp.onnx")
    try:
        onnx.save(without_quantization(source), float_path)
        files = {"float": float_path, "ONNX Q/DQ": Path(options.weights), LABEL: path}
        latencies = measure(files, images, rounds=options.rounds, threads=options.threads)
    finally:
        float_path.unlink(missing_ok=True)
    say(_table(latencies, options.threads))
    facts = {
        label: {**asdict(latency), "images_per_second": latency.images_per_second}
        for label, latency in latencies.items()
    }
    emit("benchmark", provider="CPUExecutionProvider", threads=options.threads, unit="ms", files=facts)
    return {"threads": options.threads, "provider": "CPUExecutionProvider", "files": facts}


def _table(latencies: dict[str, Latency], threads: int) -> str:
    reference = latencies["float"].median
    rows = [
        f"  {label:<10} {timing.median:8.2f} {timing.least:8.2f} {timing.p90:8.2f} {reference / timing.median:7.2f}x"
        for label, timing in latencies.items()
    ]
    rounds = latencies["float"].rounds
    return "\n".join(
        [
            f"Latency of one image in ONNX Runtime, CPU, {threads} thread{'s' * (threads > 1)}, "
            f"{rounds} runs taking turns, ms:",
            f"  {'':<10} {'median':>8} {'least':>8} {'p90':>8} {'speed':>8}",
            *rows,
        ]
    )
