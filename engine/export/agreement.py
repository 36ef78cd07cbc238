"""Compare the outputs of an exported file with those of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.evaluate.nms import non_max_suppression
from engine.evaluate.onnx_outputs import NmsSettings, detections_of
from engine.export.onnx_export import INPUT, Decoded


@dataclass(frozen=True)
class Agreement:
    """Difference of ONNX Runtime, without graph optimisation, from PyTorch."""

    images: int
    relative: float
    """Norm of the differences over norm of the values; the larger of boxes' and scores'."""
    largest_box: float
    """Pixels."""
    largest_score: float


def session(path: Path, *, optimize: bool, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU.

    Args:
        path: the file.
        optimize: whether ONNX Runtime optimises the graph.
        threads: of one run; 0: ONNX Runtime's default.
    """
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(model: nn.Module, path: Path, batches: Sequence[Tensor]) -> Agreement:
    """Run model and file on the same images, and return their difference.

    Args:
        model: a `YoloModel` on the CPU.
        path: the exported file, with decoded boxes or raw heads.
        batches: float images (B, 3, H, W), 0 to 1, of a batch size that the file accepts.
    """
    runtime = session(path, optimize=False)
    decoded = Decoded(model).eval()
    expected, actual = [], []
    with torch.no_grad():
        for images in batches:
            expected.append(decoded(images).numpy())
            outputs = runtime.run(None, {INPUT: images.numpy()})
            # Raw heads are decoded by the model's own code, so that boxes and scores are compared in either case.
            raws = [torch.from_numpy(output) for output in outputs]
            actual.append(outputs[0] if len(raws) == 1 else model.head.decode(raws).numpy())  # type: ignore[operator,union-attr]
    expected_values = np.concatenate(expected).astype(np.float64)
    difference = np.concatenate(actual) - expected_values
    parts = [slice(0, 4), slice(4, None)]
    relative = [_norm(difference[..., part]) / max(_norm(expected_values[..., part]), 1e-12) for part in parts]
    largest = [float(np.abs(difference[..., part]).max()) for part in parts]
    return Agreement(len(expected_values), max(relative), largest[0], largest[1])


def check_agreement(agreement: Agreement, tolerance: float) -> None:
    """Raise if the file differs from the model by more than the tolerance.

    Raises:
        YoloqatError: the relative difference exceeds `tolerance`, or is nan.
    """
    if not agreement.relative <= tolerance:
        raise YoloqatError(
            f"the exported file differs from PyTorch by {agreement.relative:.2g}, more than --tolerance {tolerance:g} "
            f"(boxes by up to {agreement.largest_box:.3g} px, scores by up to {agreement.largest_score:.2g})",
            hint="A trained model should agree to about 1 %; an untrained one amplifies rounding: raise --tolerance.",
        )


def check_nms(path: Path, decoded: Path, settings: NmsSettings, batches: Sequence[Tensor]) -> int:
    """Compare the detections of a file that ends in NMS with our own NMS on the same file without it.

    Args:
        path: the file that ends in NMS.
        decoded: the same file without NMS.
        settings: of its NMS.
        batches: float images (B, 3, H, W), 0 to 1.

    Returns:
        The number of compared detections.

    Raises:
        YoloqatError: the detections differ.
    """
    with_nms, without_nms = session(path, optimize=False), session(decoded, optimize=False)
    total = 0
    for images in batches:
        feeds = {INPUT: images.numpy()}
        actual = detections_of(with_nms.run(None, feeds))
        expected = non_max_suppression(
            torch.from_numpy(without_nms.run(None, feeds)[0]),
            settings.score_threshold,
            settings.iou_threshold,
            multi_label=True,
            max_det=settings.max_detections,
        )
        for ours, theirs in zip(expected, actual, strict=True):
            total += len(ours)
            if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=1e-4, atol=1e-3):
                raise YoloqatError(
                    f"the file's NMS gives other detections than ours ({len(theirs)} and {len(ours)} for one image)",
                    hint="This ONNX Runtime differs from the tested ones; install one in pyproject.toml's range.",
                )
    return total


def _norm(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).sum()))
