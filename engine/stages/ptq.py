"""`ptq`: insert quantizers, calibrate them on training images, evaluate the float and the PTQ model."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from engine.console.say import say
from engine.console.tqdm_bar import Bar
from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.ptq import PtqOptions
from engine.contracts.result import EvaluationResult, StageResult
from engine.data.config import DataConfig, load_data_config
from engine.data.loader import BatchLoader, val_loader
from engine.data.network_input import to_network
from engine.evaluate.final import final_evaluation, fuse_and_report
from engine.evaluate.predictors import TorchPredictor
from engine.models.checkpoint import Checkpoint, load_checkpoint, model_from_checkpoint, save_checkpoint
from engine.models.yolo import YoloModel
from engine.quant.backends import load_backend
from engine.quant.calibration.calibrate import amax_table, calibration_warnings, collect, round_biases, set_ranges
from engine.quant.calibration.histogram import ActivationHistogram
from engine.quant.calibration.search import choose_calibrator, correct_biases
from engine.quant.head_error import HeadError
from engine.quant.state import QuantSpec, quantize_model, quantized_checkpoint
from engine.quant.widths import Width
from engine.stages.session import Session

ROWS_IN_EVENT = 200
"""Limit of the event, which is one line of the log; `result.json` has every quantizer."""


def run(options: PtqOptions, session: Session) -> StageResult:
    """Evaluate the float model, calibrate it, save it as `weights/ptq.pt` and evaluate that."""
    load_backend(options.backend)  # fail now if the backend is not installed, not after the float evaluation
    device = session.device(options.device)
    session.seed(options.seed)
    checkpoint = _load_float_checkpoint(options)
    source = session.add_input("weights", options.weights)
    data = load_data_config(options.data)
    session.add_input("data", data.path)
    model = fuse_and_report(model_from_checkpoint(checkpoint).requires_grad_(False)).to(device)
    evaluations = _Evaluations(options, session, data, model)
    evaluations.add(model, "float", options.weights)
    spec = quantize_model(
        model,
        options.keep_float,
        bits=options.bits,
        weight_bits=options.weight_bits,
        layer_bits=options.layer_bits,
        backend=options.backend,
    )
    _report_placement(spec)
    spec = _calibrate(options, model, spec, data, device)
    round_biases(model)
    path = session.run_dir / "weights" / "ptq.pt"
    ptq_checkpoint = quantized_checkpoint(model, spec, checkpoint)
    ptq_checkpoint.meta |= {
        "stage": "ptq",
        "data": str(data.path),
        "img_size": options.img_size,
        "float_sha256": source.sha256,
    }
    save_checkpoint(path, ptq_checkpoint)
    emit("checkpoint", path="weights/ptq.pt", epoch=-1)
    evaluations.add(model, "PTQ", "weights/ptq.pt")
    details = {
        "backend": spec.backend,
        "calibration": spec.calibration,
        "float_convolutions": list(spec.floating),
        "ranges": amax_table(model),
    }
    return session.finish({"weights": path}, evaluations=evaluations.results, details=details)


class _Evaluations:
    """Evaluates each model of this stage with the same settings; nothing with `--notest`."""

    def __init__(self, options: PtqOptions, session: Session, data: DataConfig, model: YoloModel) -> None:
        self.options = options
        self.session = session
        self.data = data
        self.loader = None if options.notest else _make_loader(options, data, model, "val")
        self.results: list[EvaluationResult] = []

    def add(self, model: YoloModel, label: str, weights: str) -> None:
        """Evaluate `model` and print its rows."""
        if self.loader is None:
            return
        result = final_evaluation(
            TorchPredictor(model),
            self.loader,
            self.data,
            label=label,
            weights=weights,
            predictions=self.session.run_dir / f"{label.lower()}_predictions.json",
            settings={"conf_thres": self.options.conf_thres, "iou_thres": self.options.iou_thres},
        )
        self.results.append(result)


def _load_float_checkpoint(options: PtqOptions) -> Checkpoint:
    checkpoint = load_checkpoint(options.weights)
    if checkpoint.quant is not None:
        raise YoloqatError(
            "these weights are quantized already",
            where=options.weights,
            hint="Give `ptq` the float checkpoint; `qat` and `export` take this one.",
        )
    return checkpoint


def _make_loader(options: PtqOptions, data: DataConfig, model: YoloModel, split: str) -> BatchLoader:
    return val_loader(
        data,
        split,
        options.img_size,
        options.batch_size,
        letterbox=options.letterbox,
        workers=options.workers,
        stride=int(model.stride.max()),
        limit=options.calib_images if split == "train" else 0,
        seed=options.seed,
    )


def _calibrate(
    options: PtqOptions, model: YoloModel, spec: QuantSpec, data: DataConfig, device: torch.device
) -> QuantSpec:
    loader = _make_loader(options, data, model, "train")

    def images() -> Iterator[Tensor]:
        for batch in Bar(loader, desc="Collect stats for calibrating"):
            yield to_network(batch[0], device)

    histograms = collect(model, images(), device)
    warnings = calibration_warnings(histograms)
    for warning in warnings:
        say(f"WARNING: {warning}")
    choice = _choose_ranges(options, model, histograms, loader, device)
    count = len(loader.dataset)  # type: ignore[arg-type]
    calibration = {
        **choice,
        "images": count,
        "image_size": options.img_size,
        "letterbox": options.letterbox,
        "seed": options.seed,
    } | ({"warnings": warnings} if warnings else {})
    rows = [row for row in amax_table(model) if row["kind"] == "input"]
    say(f"Calibrated {len(rows)} input quantizers by {choice['calibrator']} on {count} training images")
    emit(
        "calibration",
        **calibration,
        backend=spec.backend,
        quantized=len(spec.quantized),
        floating=list(spec.floating),
        quantizers=rows[:ROWS_IN_EVENT],
        rows=len(rows),
    )
    return replace(spec, calibration=calibration)


def _choose_ranges(
    options: PtqOptions,
    model: YoloModel,
    histograms: dict[str, ActivationHistogram],
    loader: BatchLoader,
    device: torch.device,
) -> dict[str, Any]:
    """Set the ranges, and correct biases with `--bias-correction`.

    Returns:
        The calibrator used and what the alternatives scored, for the checkpoint and the event.
    """
    choice: dict[str, Any] = {"calibrator": options.calibrator, "percentile": options.percentile}
    set_ranges(
        model, histograms, "mse" if options.calibrator == "auto" else options.calibrator, percentile=options.percentile
    )
    if options.calibrator != "auto" and not options.bias_correction:
        return choice
    batches = list(_first_images(loader, options.proxy_images, device))
    error = HeadError(model, batches)
    if options.calibrator == "auto":
        best, tried = choose_calibrator(model, histograms, error)
        choice |= {"calibrator": best.method, "percentile": best.percentile or options.percentile}
        choice["tried"] = {candidate.name: candidate.error for candidate in tried}
        say(f"Calibrators by the head's error on {options.proxy_images} images:")
        for candidate in tried:
            say(f"  {candidate.name:<18} {candidate.error:.5g}{'  kept' if candidate is best else ''}")
    if options.bias_correction:
        before, after, is_kept = correct_biases(model, batches, error)
        choice["bias_correction"] = {"before": before, "after": after, "kept": is_kept}
        say(f"Bias correction: the head's error {before:.5g} -> {after:.5g}, {'kept' if is_kept else 'taken back'}")
    return choice


def _first_images(loader: BatchLoader, count: int, device: torch.device) -> Iterator[Tensor]:
    """Yield the first `count` images of a loader, in its batches."""
    remaining = count
    for batch in loader:
        if remaining <= 0:
            return
        yield to_network(batch[0][:remaining], device)
        remaining -= len(batch[0])


def _report_placement(spec: QuantSpec) -> None:
    tensors = sum(group.tensors for group in spec.classes)
    say(
        f"Quantizing {len(spec.quantized)} convolutions: {tensors} input tensors share {len(spec.classes)} scales; "
        f"{len(spec.floating)} convolutions stay float: {', '.join(spec.floating) or 'none'}\n"
        f"Quantizers of {spec.backend}"
    )
    groups: dict[Width, list[str]] = {}
    for name, width in spec.widths.items():
        groups.setdefault(Width(*width), []).append(name)
    for width, names in groups.items():
        say(f"  {width} instead of {Width(spec.bits, spec.weight_bits)}: {', '.join(names)}")
