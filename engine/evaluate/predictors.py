"""A model behind one call: float images in, decoded predictions out."""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.evaluate.onnx_outputs import DETECTIONS, RAW_PREFIX, NmsSettings, RawDecoder, detections_of


class Predictor(Protocol):
    """A model as the evaluation uses it."""

    backend: str
    """`pytorch` or `onnxruntime`."""
    device: torch.device
    """Device on which it expects images."""
    names: Sequence[str] | None
    """Class names, if the model has them."""
    fixed_size: tuple[int, int] | None
    """Height and width, if it accepts no others."""

    def __call__(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) float32 in 0..1 to (B, N, 5 + nc): cx, cy, w, h in pixels, objectness, class scores."""
        ...


class TorchPredictor:
    """A PyTorch model that returns `(decoded, raws)` in eval mode."""

    backend = "pytorch"
    fixed_size: tuple[int, int] | None = None

    def __init__(self, model: nn.Module, *, device: str | torch.device | None = None, half: bool = False) -> None:
        """Wrap a model; each call sets eval mode, and restores the previous mode afterwards.

        Args:
            model: the model.
            device: where to run; by default the device of its parameters.
            half: compute in float16 by autocast, on CUDA only; the weights stay as they are.
        """
        model_device = next(model.parameters()).device
        self.device = torch.device(device) if device is not None else model_device
        # Always the same memory format: another one adds in another order, which rounds differently and flips quantized
        # values.
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.half = half and self.device.type == "cuda"
        self.names = getattr(model, "names", None)

    def __call__(self, images: Tensor) -> Tensor:
        return self.with_raw(images)[0]

    def with_raw(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return decoded predictions, and the raw outputs of each level for a loss; all float32."""
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), torch.autocast(self.device.type, torch.float16, enabled=self.half):
                decoded, raws = self.model(images)
        finally:
            self.model.train(was_training)
        return decoded.float(), [raw.float() for raw in raws]


class OnnxPredictor:
    """An ONNX file with decoded outputs, raw heads or detections, in ONNX Runtime on the CPU."""

    backend = "onnxruntime"

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        """Open the file.

        Args:
            path: the .onnx file.
            threads: threads of one run; 0 for ONNX Runtime's default.

        Raises:
            YoloqatError: the file is missing or damaged, is not a detector by the shapes of its input and outputs, or
                needs TensorRT.
        """
        import onnxruntime

        self.path = Path(path)
        self.device = torch.device("cpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if not self.path.is_file():
            raise YoloqatError("the ONNX file does not exist", where=str(path), hint="Give the path of an .onnx file.")
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no base class but this
            if "EfficientNMS" in str(error):
                raise YoloqatError(
                    "this file ends in TensorRT's EfficientNMS plugin, which ONNX Runtime does not have",
                    where=str(path),
                    hint="Use export/model.decoded.onnx beside it: the same without NMS.",
                ) from error
            raise YoloqatError(
                f"ONNX Runtime cannot open this file: {_first_line(error)}",
                where=str(path),
                hint="Export it again; if it was copied, compare its size with the source.",
            ) from error
        metadata = self.session.get_modelmeta().custom_metadata_map
        self.nms: NmsSettings | None = None
        """Settings of the file's own NMS; if set, call `detect`."""
        self._decode: RawDecoder | None = None
        self._check_signature(metadata)
        self.names = _parse_names(metadata.get("names"))
        self.stride = _parse_stride(metadata.get("stride"))

    def __call__(self, images: Tensor) -> Tensor:
        outputs = self._run_batches(images)
        return torch.from_numpy(self._decode(outputs) if self._decode else outputs[0])

    def detect(self, images: Tensor) -> list[Tensor]:
        """Return detections per image, (n, 6) x1, y1, x2, y2, score, class, of a file that has `nms`."""
        return detections_of(self._run_batches(images))

    def _run_batches(self, images: Tensor) -> list[np.ndarray]:
        array = np.ascontiguousarray(images.cpu().numpy(), dtype=np.float32)
        size = self.fixed_batch or len(array)
        batches = [self._run_batch(array[start : start + size], size) for start in range(0, len(array), size)]
        return batches[0] if len(batches) == 1 else [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    def _run_batch(self, images: np.ndarray, size: int) -> list[np.ndarray]:
        """Run one batch; one smaller than the file's fixed size is padded with zeros."""
        count = len(images)
        if count < size:
            images = np.concatenate([images, np.zeros((size - count, *images.shape[1:]), np.float32)])
        return [output[:count] for output in self.session.run(self.output_names, {self.input_name: images})]

    def _check_signature(self, metadata: Mapping[str, str]) -> None:
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        names = [output.name for output in outputs]
        decoded = [output.name for output in outputs if len(output.shape) == 3]
        self.output_names: list[str] = []
        is_detector = len(inputs) == 1 and len(inputs[0].shape) == 4
        if is_detector and set(DETECTIONS) <= set(names):
            self.nms, self.output_names = NmsSettings.from_text(metadata.get("nms_settings", "")), list(DETECTIONS)
        elif is_detector and all(name.startswith(RAW_PREFIX) for name in names):
            self._decode, self.output_names = RawDecoder(metadata, len(names)), names
        elif is_detector:
            self.output_names = decoded[:1]
        if not self.output_names:
            raise YoloqatError(
                "not a detector with one image input and decoded outputs (batch, boxes, 5 + classes)",
                where=str(self.path),
                hint="Export it with `yoloqat export`, or with decoded boxes and without NMS.",
            )
        self.input_name = inputs[0].name
        batch, _, height, width = inputs[0].shape
        self.fixed_batch = batch if isinstance(batch, int) else 0
        self.fixed_size = (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _parse_names(text: str | None) -> list[str] | None:
    """Parse class names of a metadata entry: JSON, or the Python literal that other exporters write."""
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


def _parse_stride(text: str | None) -> float | None:
    """Parse a number, or the largest of a list of numbers; None if it is neither."""
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    if isinstance(value, list) and value:
        value = max(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
