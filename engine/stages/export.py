"""`export`: write ONNX, check it against PyTorch, evaluate it in ONNX Runtime."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
from torch import Tensor

from engine.console.say import say
from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.export import ExportOptions
from engine.contracts.result import StageResult
from engine.data.config import load_data_config
from engine.evaluate.onnx_outputs import NmsSettings
from engine.export.agreement import Agreement, check_agreement, check_nms, compare
from engine.export.metadata import describe, read_metadata, write_metadata
from engine.export.nms import PLUGIN, add_nms
from engine.export.onnx_export import export_onnx, save_onnx
from engine.export.structure import Structure, check_structure
from engine.export.trtexec import trtexec_commands
from engine.models.checkpoint import load_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.calibration.calibrate import round_biases
from engine.quant.quantizer import quantized_convolutions
from engine.quant.state import restore_model
from engine.stages.onnx_file import comparison_images, evaluate_onnx
from engine.stages.session import Session

COMPARED_IMAGES = 5
"""With an open batch size: one image alone, and a batch of four."""


def run(options: ExportOptions, session: Session) -> StageResult:
    """Export `weights` to `export/model.onnx`; with `--nms`, the same without NMS to `export/model.decoded.onnx`."""
    session.device("cpu")
    _check_options(options)
    checkpoint = load_checkpoint(options.weights)
    weights_artifact = session.add_input("weights", options.weights)
    data = load_data_config(options.data) if options.data else None
    ancestor_hashes = {
        key: str(checkpoint.meta[key]) for key in ("float_sha256", "ptq_sha256") if key in checkpoint.meta
    }
    if data is not None:
        ancestor_hashes["data_sha256"] = session.add_input("data", data.path).sha256
    model = restore_model(checkpoint).requires_grad_(False)
    stride = int(model.stride.max())
    size = _rounded_image_size(options.img_size, stride)
    quantized = list(quantized_convolutions(model))
    round_biases(model)
    label = "ONNX Q/DQ" if quantized else "ONNX"
    images = comparison_images(data, size, COMPARED_IMAGES, stride=stride)
    # With an open batch size, check both a single image and a batch.
    batches = [images[:1], images[1:]] if options.dynamic_batch and len(images) > 1 else list(images.split(1))
    checks = _ExportChecks(model, quantized, batches, options.tolerance)
    path = session.run_dir / "export" / "model.onnx"
    plain_path = path if options.nms == "none" else path.with_name("model.decoded.onnx")
    say(f"Exporting {options.weights} to ONNX opset {options.opset}, {size}x{size}...")
    graph = export_onnx(
        model,
        plain_path,
        image_size=size,
        opset=options.opset,
        dynamic_batch=options.dynamic_batch,
        heads=options.heads,
        metadata=describe(
            model,
            label=label,
            image_size=size,
            data=data.path.name if data else "",
            source_sha256=weights_artifact.sha256,
            heads=options.heads,
            ancestors=ancestor_hashes,
        ),
        check=checks,
    )
    facts = checks.facts() | {"opset": options.opset, "image_size": size, "dynamic_batch": options.dynamic_batch}
    facts |= {"heads": options.heads, "nms": _write_with_nms(options, graph, plain_path, path, batches)}
    say(checks.summary(path))
    emit("export", label=label, path="export/model.onnx", size_bytes=path.stat().st_size, **facts)
    evaluations = []
    if data is not None and not options.notest:
        predictions = "onnx_predictions.json"
        evaluations = [
            evaluate_onnx(plain_path, options, session, data, size, label=label, predictions=predictions, stride=stride)
        ]
    files = {"onnx": path} if plain_path == path else {"onnx": path, "decoded": plain_path}
    facts["trtexec"] = _report_trtexec_commands(options, path, size, quantized=bool(quantized))
    return session.finish(files, evaluations=evaluations, details=facts)


def _check_options(options: ExportOptions) -> None:
    if options.letterbox != "square":
        raise YoloqatError(
            "--letterbox rect: an exported file takes square images only", hint="Leave --letterbox at square."
        )
    if not 1 <= options.trt_batches[0] <= options.trt_batches[1] <= options.trt_batches[2]:
        raise YoloqatError("--trt-batches must rise: least, usual and largest", hint="Such as --trt-batches 1 8 16.")
    if options.heads == "raw" and options.nms != "none":
        raise YoloqatError(f"--nms {options.nms} needs decoded boxes", hint="Leave --heads at decoded.")


def _report_trtexec_commands(options: ExportOptions, path: Path, size: int, *, quantized: bool) -> dict[str, list[str]]:
    """Print and return the commands by which trtexec builds and times an engine of the file, by TensorRT version."""
    batches = options.trt_batches if options.dynamic_batch else None
    commands = trtexec_commands(path, image_size=size, batches=batches, quantized=quantized)
    lines = [f"{version}:\n  " + "\n  ".join(line) for version, line in commands.items()]
    say("\n".join(["", "Engines of this file are built and timed by:", *lines]))
    return commands


def _write_with_nms(
    options: ExportOptions, graph: onnx.ModelProto, plain_path: Path, path: Path, batches: Sequence[Tensor]
) -> dict[str, Any] | None:
    """Append NMS to the graph and write it to `path`; compare it with our NMS where ONNX Runtime can run it.

    Returns:
        Facts for `result.json`; None without `--nms`.
    """
    if options.nms == "none":
        return None
    settings = NmsSettings(options.score_threshold, options.iou_threshold, options.max_detections)
    graph_with_nms = add_nms(graph, options.nms, settings)
    write_metadata(graph_with_nms, read_metadata(graph) | {"nms": options.nms, "nms_settings": settings.to_text()})
    facts: dict[str, Any] = {"kind": options.nms, **asdict(settings)}
    if options.nms == "efficientnms":
        save_onnx(graph_with_nms, path)
        say(f"{PLUGIN}: its structure is checked, TensorRT has not run it")
        return facts | {"compared": None}

    def check(temporary: Path) -> None:
        facts["compared"] = check_nms(temporary, plain_path, settings, batches)

    save_onnx(graph_with_nms, path, check)
    say(f"NMS: equal to our own on {facts['compared']} detections; evaluated is the file without it, {plain_path.name}")
    return facts


class _ExportChecks:
    """The checks that an exported file must pass before it gets its final name."""

    def __init__(self, model: YoloModel, quantized: Sequence[str], batches: Sequence[Tensor], tolerance: float) -> None:
        self.model = model
        self.quantized = quantized
        self.batches = batches
        self.tolerance = tolerance
        self.structure: Structure
        self.agreement: Agreement

    def __call__(self, graph: onnx.ModelProto, path: Path) -> None:
        self.structure = check_structure(graph, self.quantized)
        self.agreement = compare(self.model, path, self.batches)
        check_agreement(self.agreement, self.tolerance)

    def facts(self) -> dict[str, Any]:
        """Return what was measured, for the event and `result.json`."""
        structure = asdict(self.structure)
        structure["quantized"] = len(self.structure.quantized)
        return {**structure, "floating": list(self.structure.floating), "difference": asdict(self.agreement)}

    def summary(self, path: Path) -> str:
        """Return what was measured, as lines of the log."""
        s, a = self.structure, self.agreement
        return (
            f"ONNX: export success, saved as {path} ({path.stat().st_size / 1e6:.1f} MB, {s.nodes} nodes)\n"
            f"Q/DQ: {s.qdq_pairs} pairs on input and weight of {len(s.quantized)} of {s.convolutions} convolutions, "
            f"{s.activation_scales} activation scales; float: {', '.join(s.floating) or 'none'}\n"
            f"Difference to PyTorch on {a.images} images: {a.relative:.2g} relative, "
            f"boxes up to {a.largest_box:.2g} px, scores up to {a.largest_score:.2g}"
        )


def _rounded_image_size(requested: int, stride: int) -> int:
    """Round up to a multiple of the stride, with YOLOv7's warning."""
    size = -(-requested // stride) * stride
    if size != requested:
        say(f"WARNING: --img-size {requested} must be multiple of max stride {stride}, updating to {size}")
    return size
