"""Export a model to an ONNX file, with Q/DQ nodes for TensorRT if it is quantized."""

import copy
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import onnx
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.evaluate.onnx_outputs import RAW_PREFIX
from engine.export.graph import tidy
from engine.export.metadata import write_metadata
from engine.files.atomic import atomic_path
from engine.quant.backends import load_backend
from engine.quant.quantizer import backend_of, quantized_convolutions

INPUT, OUTPUT = "images", "outputs"
MAX_LISTED = 5
"""Layers that an error message lists."""
Heads = Literal["decoded", "raw"]


class Decoded(nn.Module):
    """The model with a single output: decoded boxes (cx, cy, w, h in pixels), objectness and class scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), 0 to 1 → (B, N, 5 + nc)."""
        return self.model(images)[0]


class Raw(nn.Module):
    """The model with one raw output of the head per level."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), 0 to 1 → (B, A, Y, X, 5 + nc) per level."""
        return tuple(self.model(images)[1])


def export_onnx(
    model: nn.Module,
    path: Path,
    *,
    image_size: int,
    opset: int = 13,
    dynamic_batch: bool = True,
    heads: Heads = "decoded",
    metadata: dict[str, str] | None = None,
    check: Callable[[onnx.ModelProto, Path], None] | None = None,
) -> onnx.ModelProto:
    """Export `images` (B, 3, S, S) → `outputs` (B, N, 5 + nc), with symmetric int8 Q/DQ if the model is quantized.

    With raw heads the outputs are `raw_8`, … (B, A, Y, X, 5 + nc), named after the stride of their level.

    The file is written to a temporary path and renamed once `check` has accepted it; until then a previous file stays.

    Args:
        model: a fused `YoloModel`, float or quantized, on the CPU.
        path: the file to write.
        image_size: height and width of the images; fixed in the file.
        opset: 13 or newer, which has per-channel Q/DQ.
        dynamic_batch: leave the batch size open; otherwise it is 1.
        heads: content of the outputs.
        metadata: `metadata_props` of the file.
        check: called with the graph and the temporary file; an exception from it ends the export.

    Raises:
        YoloqatError: activations are quantized to fewer than 8 bits; names the convolutions that read them.
    """
    _check_widths(model)
    # A copy, because tracing and the cast to float change the model.
    exported = copy.deepcopy(model).float()
    _widen_weights_to_int8(exported)
    traced = (Raw(exported) if heads == "raw" else Decoded(exported)).eval().requires_grad_(False)
    outputs = [f"{RAW_PREFIX}{int(stride)}" for stride in exported.stride] if heads == "raw" else [OUTPUT]  # type: ignore[union-attr]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        _trace(traced, temporary, outputs, image_size, opset, dynamic_batch)
        graph = onnx.load(temporary)
        _set_output_shapes(graph, traced, image_size)
        tidy(graph, prefix="model.")
        write_metadata(graph, metadata or {})
        onnx.save(graph, temporary)
        if check is not None:
            check(graph, temporary)
    return graph


def _check_widths(model: nn.Module) -> None:
    """Raise if an activation has fewer than 8 bits: Q/DQ clip at the int8 limits only (weights are clipped before)."""
    narrow = [
        f"{name} ({conv.input_quantizer.num_bits} bits)"
        for name, conv in quantized_convolutions(model).items()
        if conv.input_quantizer.num_bits != 8
    ]
    if narrow:
        others = f" and {len(narrow) - MAX_LISTED} others" if len(narrow) > MAX_LISTED else ""
        raise YoloqatError(
            f"int8 Q/DQ cannot express inputs of fewer than 8 bits: {', '.join(narrow[:MAX_LISTED])}{others}",
            hint="Run `ptq` with 8 bits for them (--bits 8, --layer-bits REGEX=a8). Weights may have fewer.",
        )


def _widen_weights_to_int8(model: nn.Module) -> None:
    """Express weights of fewer bits in 8 bits with the same step size, in place; they use only a part of the codes."""
    for conv in quantized_convolutions(model).values():
        quantizer = conv.weight_quantizer
        bits = quantizer.num_bits
        if bits == 8:
            continue
        with torch.no_grad():
            conv.weight.copy_(quantizer(conv.weight))
        quantizer.set_amax(quantizer.amax / (2 ** (bits - 1) - 1) * 127)
        quantizer.num_bits = 8


def save_onnx(model: onnx.ModelProto, path: Path, check: Callable[[Path], None] | None = None) -> None:
    """Write a file to a temporary path, and rename it once `check`, called with that path, has accepted it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)
        if check is not None:
            check(temporary)


def _trace(traced: nn.Module, path: Path, outputs: list[str], image_size: int, opset: int, dynamic_batch: bool) -> None:
    axes = {name: {0: "batch"} for name in (INPUT, *outputs)} if dynamic_batch else None
    backend = backend_of(traced)
    quantizing = load_backend(backend).exporting() if backend else nullcontext()
    with quantizing, torch.no_grad(), warnings.catch_warnings():
        # The exporter that torch prefers since 2.9 cannot export quantizers. That tracing fixes sizes is intended.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        torch.onnx.export(
            traced,
            (torch.zeros(1, 3, image_size, image_size),),
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_axes=axes,
        )


def _set_output_shapes(graph: onnx.ModelProto, traced: nn.Module, image_size: int) -> None:
    """Set the outputs' dimensions but the batch, which tracing leaves open."""
    with torch.no_grad():
        outputs = traced(torch.zeros(1, 3, image_size, image_size))
    for output, value in zip(graph.graph.output, outputs if isinstance(outputs, tuple) else (outputs,), strict=True):
        for dimension, size in list(zip(output.type.tensor_type.shape.dim, value.shape, strict=True))[1:]:
            dimension.dim_value = size
