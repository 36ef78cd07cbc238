"""`export`: write ONNX, check it against PyTorch, evaluate it in ONNX Runtime."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.export import ExportOptions
from engine.contracts.result import EvaluationResult, StageResult
from engine.data.config import DataConfig, load_data_config
from engine.data.loader import val_loader
from engine.evaluate.predictors import OnnxPredictor
from engine.export.agreement import Agreement, check_agreement, compare
from engine.export.metadata import describe
from engine.export.onnx_export import export_onnx
from engine.export.structure import Structure, check_structure
from engine.models.checkpoint import load_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.quantizer import quantized_convolutions
from engine.quant.state import restore_model
from engine.stages.session import Session
from engine.train.console import say
from engine.train.epoch import to_network
from engine.train.final import final_evaluation

COMPARED_IMAGES = 5
"""One alone and a batch of four."""


def run(options: ExportOptions, session: Session) -> StageResult:
    """Export `weights` to `export/model.onnx`."""
    session.device("cpu")
    if options.letterbox != "square":
        raise YoloqatError(
            "--letterbox rect: an exported file takes square images only", hint="Leave --letterbox at square."
        )
    checkpoint = load_checkpoint(options.weights)
    source = session.add_input("weights", options.weights)
    data = load_data_config(options.data) if options.data else None
    if data is not None:
        session.add_input("data", data.path)
    model = restore_model(checkpoint).requires_grad_(False)
    size = _image_size(options.img_size, int(model.stride.max()))
    quantized = list(quantized_convolutions(model))
    label = "ONNX Q/DQ" if quantized else "ONNX"
    batches = _images(options, data, model, size)
    checked = _Checks(model, quantized, batches, options.tolerance)
    path = session.run_dir / "export" / "model.onnx"
    say(f"Exporting {options.weights} to ONNX opset {options.opset}, {size}x{size}...")
    export_onnx(
        model,
        path,
        image_size=size,
        opset=options.opset,
        dynamic_batch=options.dynamic_batch,
        metadata=describe(
            model, label=label, image_size=size, data=data.path.name if data else "", source_sha256=source.sha256
        ),
        check=checked,
    )
    facts = checked.facts() | {"opset": options.opset, "image_size": size, "dynamic_batch": options.dynamic_batch}
    say(checked.summary(path))
    emit("export", label=label, path="export/model.onnx", size_bytes=path.stat().st_size, **facts)
    evaluations = (
        [] if data is None or options.notest else [_evaluate(options, session, data, model, size, path, label)]
    )
    return session.finish({"onnx": path}, evaluations=evaluations, details=facts)


class _Checks:
    """What the file must pass before it gets its name."""

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
        """For the event and `result.json`."""
        structure = asdict(self.structure)
        structure["quantized"] = len(self.structure.quantized)
        return {**structure, "floating": list(self.structure.floating), "difference": asdict(self.agreement)}

    def summary(self, path: Path) -> str:
        """For a reader of the log."""
        s, a = self.structure, self.agreement
        return (
            f"ONNX: export success, saved as {path} ({path.stat().st_size / 1e6:.1f} MB, {s.nodes} nodes)\n"
            f"Q/DQ: {s.qdq_pairs} pairs on input and weight of {len(s.quantized)} of {s.convolutions} convolutions, "
            f"{s.activation_scales} activation scales; float: {', '.join(s.floating) or 'none'}\n"
            f"Difference to PyTorch on {a.images} images: {a.relative:.2g} relative, "
            f"boxes up to {a.largest_box:.2g} px, scores up to {a.largest_score:.2g}"
        )


def _image_size(wanted: int, stride: int) -> int:
    size = -(-wanted // stride) * stride
    if size != wanted:
        say(f"WARNING: --img-size {wanted} must be multiple of max stride {stride}, updating to {size}")
    return size


def _images(options: ExportOptions, data: DataConfig | None, model: YoloModel, size: int) -> list[Tensor]:
    """Images to compare on: of the validation split, or drawn at random with a fixed seed."""
    if data is None:
        images = torch.rand(COMPARED_IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))
    else:
        loader = val_loader(
            data, "val", size, 1, letterbox="square", workers=0, stride=int(model.stride.max()), limit=COMPARED_IMAGES
        )
        images = torch.cat([to_network(batch[0], torch.device("cpu")) for batch in loader])
    images = images.contiguous()
    return [images[:1], images[1:]] if options.dynamic_batch and len(images) > 1 else list(images.split(1))


def _evaluate(
    options: ExportOptions,
    session: Session,
    data: DataConfig,
    model: YoloModel,
    size: int,
    path: Path,
    label: str,
) -> EvaluationResult:
    loader = val_loader(
        data,
        "val",
        size,
        options.batch_size,
        letterbox="square",
        workers=options.workers,
        stride=int(model.stride.max()),
    )
    return final_evaluation(
        OnnxPredictor(path),
        loader,
        data,
        label=label,
        weights="export/model.onnx",
        predictions=session.run_dir / "onnx_predictions.json",
        settings={"conf_thres": options.conf_thres, "iou_thres": options.iou_thres},
    )
