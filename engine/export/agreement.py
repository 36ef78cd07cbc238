"""Does the file compute what the model computes?"""

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
    """How far ONNX Runtime, with graph optimisation off, is from PyTorch."""

    images: int
    relative: float
    """Root of the summed squared differences over root of the summed squares; the worse of boxes and scores."""
    largest_box: float
    """Pixels."""
    largest_score: float


def session(path: Path, *, optimize: bool, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open a file on the CPU."""
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def compare(model: nn.Module, path: Path, batches: Sequence[Tensor]) -> Agreement:
    """Run both on the same images.

    Args:
        model: a `YoloModel` on the CPU.
        path: the exported file, with decoded boxes or raw heads.
        batches: float images (B, 3, H, W), 0 to 1; each is a batch that the file must take.
    """
    runtime = session(path, optimize=False)
    decoded = Decoded(model).eval()
    expected, got = [], []
    with torch.no_grad():
        for images in batches:
            expected.append(decoded(images).numpy())
            outputs = runtime.run(None, {INPUT: images.numpy()})
            # Raw heads are decoded as the model decodes its own: what is compared are boxes and scores.
            raws = [torch.from_numpy(output) for output in outputs]
            got.append(outputs[0] if len(raws) == 1 else model.head.decode(raws).numpy())  # type: ignore[operator,union-attr]
    expected_values = np.concatenate(expected).astype(np.float64)
    difference = np.concatenate(got) - expected_values
    parts = [slice(0, 4), slice(4, None)]
    relative = [_norm(difference[..., part]) / max(_norm(expected_values[..., part]), 1e-12) for part in parts]
    largest = [float(np.abs(difference[..., part]).max()) for part in parts]
    return Agreement(len(expected_values), max(relative), largest[0], largest[1])


def check_agreement(agreement: Agreement, tolerance: float) -> None:
    """Refuse a file that computes something else.

    Raises:
        YoloqatError: the relative difference exceeds `tolerance`, or is nan.
    """
    if not agreement.relative <= tolerance:
        raise YoloqatError(
            f"the exported file differs from PyTorch by {agreement.relative:.2g}, more than --tolerance {tolerance:g} "
            f"(boxes by up to {agreement.largest_box:.3g} px, scores by up to {agreement.largest_score:.2g})",
            hint="An untrained model amplifies rounding; a trained one should agree to about 1 %.",
        )


def check_nms(path: Path, decoded: Path, settings: NmsSettings, batches: Sequence[Tensor]) -> int:
    """Compare the detections of a file that ends in NMS with those that our own NMS makes of the same file without it.

    Returns:
        How many detections were compared.

    Raises:
        YoloqatError: another number of detections, or other ones.
    """
    ending, plain = session(path, optimize=False), session(decoded, optimize=False)
    total = 0
    for images in batches:
        feeds = {INPUT: images.numpy()}
        found = detections_of(ending.run(None, feeds))
        expected = non_max_suppression(
            torch.from_numpy(plain.run(None, feeds)[0]),
            settings.score_threshold,
            settings.iou_threshold,
            multi_label=True,
            max_det=settings.max_detections,
        )
        for ours, theirs in zip(expected, found, strict=True):
            total += len(ours)
            if ours.shape != theirs.shape or not torch.allclose(ours, theirs, rtol=1e-4, atol=1e-3):
                raise YoloqatError(
                    f"of an image, the file's NMS keeps {len(theirs)} detections and our own {len(ours)}, or others",
                    hint="This ONNX Runtime computes differently than the tested ones (see pyproject.toml).",
                )
    return total


def _norm(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).sum()))
