"""From a model to an ONNX file: the one that TensorRT reads."""

import copy
import os
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
NAMED = 5
"""Layers that a message names, at most."""
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
    """The model with an output per level, as the head's convolutions make them."""

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
    """Write `images` (B, 3, S, S) → `outputs` (B, N, 5 + nc), with symmetric int8 Q/DQ where the model is quantized.

    With raw heads the outputs are `raw_8`, … (B, A, Y, X, 5 + nc), named after the stride of their level.

    The file gets its name only when it is whole and `check` has accepted it; until then a previous file stays.

    Args:
        model: a fused `YoloModel`, float or quantized, on the CPU.
        path: the file to write.
        image_size: height and width of the images; fixed in the file.
        opset: 13 or newer (per-channel Q/DQ begins there).
        dynamic_batch: leave the batch size open; otherwise it is 1.
        heads: what the outputs hold.
        metadata: `metadata_props` of the file.
        check: called with the graph and the temporary file; what it raises ends the export.

    Raises:
        YoloqatError: activations are quantized to other than 8 bits; names the convolutions that read them.
    """
    _check_widths(model)
    # A copy, so that neither the exporter's tracing nor the float cast touches the caller's model.
    own = copy.deepcopy(model).float()
    _weights_as_int8(own)
    traced = (Raw(own) if heads == "raw" else Decoded(own)).eval().requires_grad_(False)
    outputs = [f"{RAW_PREFIX}{int(stride)}" for stride in own.stride] if heads == "raw" else [OUTPUT]  # type: ignore[union-attr]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        _trace(traced, temporary, outputs, image_size, opset, dynamic_batch)
        graph = onnx.load(temporary)
        _tell_shapes(graph, traced, image_size)
        tidy(graph, prefix="model.")
        write_metadata(graph, metadata or {})
        onnx.save(graph, temporary)
        if check is not None:
            check(graph, temporary)
    return graph


def _check_widths(model: nn.Module) -> None:
    """Int8 Q/DQ clip at ±127 steps alone, so activations need all eight bits; weights are clipped before."""
    narrow = [
        f"{name} ({conv.input_quantizer.num_bits} bits)"
        for name, conv in quantized_convolutions(model).items()
        if conv.input_quantizer.num_bits != 8
    ]
    if narrow:
        others = f" and {len(narrow) - NAMED} others" if len(narrow) > NAMED else ""
        raise YoloqatError(
            f"the inputs of {', '.join(narrow[:NAMED])}{others} have other than 8 bits, which int8 Q/DQ cannot express",
            hint="Give `ptq` 8 bits for them (--bits 8, --layer-bits REGEX=a8). Weights may have fewer.",
        )


def _weights_as_int8(model: nn.Module) -> None:
    """Give narrower weights 8 bits, in place, with the same steps: of int8's values they use those that they had."""
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
    """Write a file under its name once it is whole and `check`, given the temporary file, has accepted it."""
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
        # The exporter that torch prefers since 2.9 cannot take quantizers. Tracing makes sizes constants, as meant.
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


def _tell_shapes(graph: onnx.ModelProto, traced: nn.Module, image_size: int) -> None:
    """Write the outputs' sizes, which tracing leaves open, except for the batch."""
    with torch.no_grad():
        made = traced(torch.zeros(1, 3, image_size, image_size))
    for output, value in zip(graph.graph.output, made if isinstance(made, tuple) else (made,), strict=True):
        for dimension, size in list(zip(output.type.tensor_type.shape.dim, value.shape, strict=True))[1:]:
            dimension.dim_value = size


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
