"""`int8`: an ONNX file that ONNX Runtime runs in int8, equal to the Q/DQ file, evaluated and timed."""

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
SUMS = 1e-5
"""By so much of the largest value may float sums of the head differ that are added in another order."""


def run(options: Int8Options, session: Session) -> StageResult:
    """Rewrite `weights` to `export/model.int8.onnx`."""
    session.device("cpu")
    if options.letterbox != "square":
        raise YoloqatError(
            "--letterbox rect: an exported file takes square images only", hint="Leave --letterbox at square."
        )
    given = OnnxPredictor(options.weights)
    session.add_input("weights", options.weights)
    data = load_data_config(options.data) if options.data else None
    if data is not None:
        session.add_input("data", data.path)
    if given.nms is not None and data is not None and not options.notest:
        given.nms.check(options.conf_thres, options.iou_thres)
    source = _load(options.weights)
    size = _fixed_image_size(given, options.weights)
    path = session.run_dir / "export" / "model.int8.onnx"
    images = comparison_images(data, size, 1 if given.fixed_batch else COMPARED_IMAGES).numpy()
    equal = _write_equal_file(source, path, images, options)
    coverage = int8_coverage(path)
    say(
        f"ONNX: saved as {path} ({path.stat().st_size / 1e6:.1f} MB), equal to {options.weights} {equal}\n"
        f"int8 in ONNX Runtime: {coverage.int8} of {coverage.convolutions} convolutions"
    )
    emit("export", label=LABEL, path="export/model.int8.onnx", size_bytes=path.stat().st_size, **asdict(coverage))
    details: dict[str, Any] = {"coverage": asdict(coverage), "image_size": size}
    if options.rounds:
        details["latency"] = _time(options, source, path, images[:1])
    evaluations = []
    if data is not None and not options.notest:
        predictions = "int8_predictions.json"
        evaluations = [evaluate_onnx(path, options, session, data, size, label=LABEL, predictions=predictions)]
    return session.finish({"onnx": path}, evaluations=evaluations, details=details)


def _load(weights: str) -> onnx.ModelProto:
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
        raise YoloqatError("the file takes no fixed square images", where=weights)
    return predictor.fixed_size[0]


def _write_equal_file(source: onnx.ModelProto, path: Path, images: np.ndarray, options: Int8Options) -> str:
    """Write the file under its name once it is whole, valid and computes the same.

    Returns:
        How equal it is, in words.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    expected = _outputs(Path(options.weights), images)
    with atomic_path(path) as temporary:
        # Whatever becomes of the head, all that is before it is held against the file bit for bit.
        exact = to_runtime_int8(source, head="float")
        _save(source, exact, temporary)
        difference = _difference(expected, _outputs(temporary, images))
        if difference:
            raise YoloqatError(
                f"the rewritten file computes something else, by up to {difference:.3g} of the largest value",
                where=options.weights,
                hint="This ONNX Runtime computes differently than the tested ones (see pyproject.toml).",
            )
        if options.head == "int8":
            _save(source, to_runtime_int8(source), temporary)
            difference = _difference(expected, _outputs(temporary, images))
            if difference > SUMS:
                _save(source, exact, temporary)
    if not difference:
        return "bit for bit"
    if difference <= SUMS:
        return f"bit for bit up to the head, whose sums differ by {difference:.1g} of the largest value"
    return (
        f"bit for bit; its head stays float, for as products it would differ by {difference:.1g} of the largest value"
    )


def _save(source: onnx.ModelProto, rewritten: onnx.ModelProto, path: Path) -> None:
    write_metadata(rewritten, {**read_metadata(source), "label": LABEL})
    onnx.checker.check_model(rewritten, full_check=True)
    onnx.save(rewritten, path)


def _outputs(path: Path, images: np.ndarray) -> list[np.ndarray]:
    found: list[np.ndarray] = open_file(path, optimize=False).run(None, {INPUT: images})
    return found


def _difference(expected: Sequence[np.ndarray], got: Sequence[np.ndarray]) -> float:
    """The largest one, as a share of the output's largest value; inf where shapes differ, 0 where all bits agree."""
    worst = 0.0
    for one, other in zip(expected, got, strict=True):
        if one.shape != other.shape:
            return float("inf")
        if not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            share = float(np.abs(one - other).max() / max(np.abs(one).max(), 1e-12))
            worst = max(worst, share, 1e-12) if np.isfinite(share) else float("inf")
    return worst


def _time(options: Int8Options, source: onnx.ModelProto, path: Path, images: np.ndarray) -> dict[str, Any]:
    """The file against the Q/DQ file and the same weights in float."""
    twin = path.with_name("float.tmp.onnx")
    try:
        onnx.save(without_quantization(source), twin)
        files = {"float": twin, "ONNX Q/DQ": Path(options.weights), LABEL: path}
        latencies = measure(files, images, rounds=options.rounds, threads=options.threads)
    finally:
        twin.unlink(missing_ok=True)
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
        f"  {label:<10} {took.median:8.2f} {took.least:8.2f} {took.p90:8.2f} {reference / took.median:7.2f}x"
        for label, took in latencies.items()
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
