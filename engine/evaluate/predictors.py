"""A model behind one call: float images in, decoded predictions out."""

import ast
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError


class Predictor(Protocol):
    """What the evaluation needs of a model."""

    backend: str
    """`pytorch` or `onnxruntime`."""
    device: torch.device
    """Where it wants its images."""
    names: Sequence[str] | None
    """Class names, if the model knows them."""
    fixed_size: tuple[int, int] | None
    """Height and width, if it takes no other."""

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in 0..1 → (B, N, 5 + nc) float32: cx, cy, w, h in pixels, objectness, class scores."""
        ...


class TorchPredictor:
    """A PyTorch model whose eval mode gives `(decoded, raws)`."""

    backend = "pytorch"
    fixed_size: tuple[int, int] | None = None

    def __init__(self, model: nn.Module, *, device: str | torch.device | None = None, half: bool = False) -> None:
        """Wrap a model; it is put into eval mode at each call and into its previous mode afterwards.

        Args:
            model: the model.
            device: where to run; by default where its parameters are.
            half: compute in float16 by autocast, on CUDA only; the weights stay as they are.
        """
        here = next(model.parameters()).device
        self.device = torch.device(device) if device is not None else here
        # One memory format for all: sums are rounded in another order in another one, and that flips quantized values.
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.half = half and self.device.type == "cuda"
        self.names = getattr(model, "names", None)

    def __call__(self, images: Tensor) -> Tensor:
        return self.with_raw(images)[0]

    def with_raw(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Decoded predictions and the raw outputs of each level, which a loss needs; all float32."""
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), torch.autocast(self.device.type, torch.float16, enabled=self.half):
                decoded, raws = self.model(images)
        finally:
            self.model.train(was_training)
        return decoded.float(), [raw.float() for raw in raws]


class OnnxPredictor:
    """An ONNX file with decoded outputs, in ONNX Runtime on the CPU."""

    backend = "onnxruntime"

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        """Open the file.

        Args:
            path: the .onnx file.
            threads: threads of one run; 0 leaves it to ONNX Runtime.

        Raises:
            YoloqatError: the file is missing or broken, or its input or output has another shape than a detector's.
        """
        import onnxruntime

        self.path = Path(path)
        self.device = torch.device("cpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if not self.path.is_file():
            raise YoloqatError("the ONNX file is not there", where=str(path), hint="Give the path of an .onnx file.")
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no base class but this
            raise YoloqatError(
                f"ONNX Runtime cannot open this file: {_first_line(error)}",
                where=str(path),
                hint="Export it again; if it was copied, compare its size with the source.",
            ) from error
        self._check_signature()
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.names = _names(metadata.get("names"))
        self.stride = _number(metadata.get("stride"))

    def __call__(self, images: Tensor) -> Tensor:
        array = np.ascontiguousarray(images.cpu().numpy(), dtype=np.float32)
        size = self.fixed_batch or len(array)
        parts = [self._run(array[start : start + size], size) for start in range(0, len(array), size)]
        return torch.from_numpy(np.concatenate(parts) if len(parts) > 1 else parts[0])

    def _run(self, images: np.ndarray, size: int) -> np.ndarray:
        """One run; a batch smaller than the file's fixed one is filled up with zeros."""
        count = len(images)
        if count < size:
            images = np.concatenate([images, np.zeros((size - count, *images.shape[1:]), np.float32)])
        output: np.ndarray = self.session.run([self.output_name], {self.input_name: images})[0]
        return output[:count]

    def _check_signature(self) -> None:
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        decoded = next((o for o in outputs if len(o.shape) == 3), None)
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or decoded is None:
            raise YoloqatError(
                "this is not a detector with one image input and decoded outputs (batch, boxes, 5 + classes)",
                where=str(self.path),
                hint="Export with decoded boxes and without NMS.",
            )
        self.input_name, self.output_name = inputs[0].name, decoded.name
        batch, _, height, width = inputs[0].shape
        self.fixed_batch = batch if isinstance(batch, int) else 0
        self.fixed_size = (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _names(text: str | None) -> list[str] | None:
    """Class names from a metadata entry: JSON, or the Python literal that other exporters write."""
    if not text:
        return None
    try:
        value: Any = json.loads(text)
    except ValueError:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return None
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value, key=lambda k: int(k))]
    return [str(name) for name in value] if isinstance(value, list | tuple) else None


def _number(text: str | None) -> float | None:
    """A number, or the largest of a list of numbers."""
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    if isinstance(value, list) and value:
        value = max(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
