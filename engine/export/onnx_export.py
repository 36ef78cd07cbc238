"""From a model to an ONNX file: the one that TensorRT reads."""

import copy
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from engine.contracts.errors import YoloqatError
from engine.export.graph import tidy
from engine.export.metadata import write_metadata
from engine.quant.library import TensorQuantizer
from engine.quant.quantizer import quantized_convolutions

INPUT, OUTPUT = "images", "outputs"


class Decoded(nn.Module):
    """The model with a single output: decoded boxes (cx, cy, w, h in pixels), objectness and class scores."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), 0 to 1 → (B, N, 5 + nc)."""
        return self.model(images)[0]


def export_onnx(
    model: nn.Module,
    path: Path,
    *,
    image_size: int,
    opset: int = 13,
    dynamic_batch: bool = True,
    metadata: dict[str, str] | None = None,
    check: Callable[[onnx.ModelProto, Path], None] | None = None,
) -> onnx.ModelProto:
    """Write `images` (B, 3, S, S) → `outputs` (B, N, 5 + nc), with symmetric int8 Q/DQ where the model is quantized.

    The file gets its name only when it is whole and `check` has accepted it; until then a previous file stays.

    Args:
        model: a fused `YoloModel`, float or quantized, on the CPU.
        path: the file to write.
        image_size: height and width of the images; fixed in the file.
        opset: 13 or newer (per-channel Q/DQ begins there).
        dynamic_batch: leave the batch size open; otherwise it is 1.
        metadata: `metadata_props` of the file.
        check: called with the graph and the temporary file; what it raises ends the export.

    Raises:
        YoloqatError: a quantizer has other than 8 bits.
    """
    for name, conv in quantized_convolutions(model).items():
        if {conv._input_quantizer.num_bits, conv._weight_quantizer.num_bits} != {8}:
            raise YoloqatError(f"{name} is quantized to other than 8 bits, which ONNX opset {opset} cannot say")
    # A copy, so that neither the exporter's tracing nor the float cast touches the caller's model.
    decoded = Decoded(copy.deepcopy(model).float()).eval().requires_grad_(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _trace(decoded, temporary, image_size, opset, dynamic_batch)
        graph = onnx.load(temporary)
        tidy(graph, prefix="model.")
        write_metadata(graph, metadata or {})
        onnx.save(graph, temporary)
        if check is not None:
            check(graph, temporary)
        _sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return graph


def _trace(decoded: nn.Module, path: Path, image_size: int, opset: int, dynamic_batch: bool) -> None:
    axes = {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}} if dynamic_batch else None
    with _native_fake_quantization(), torch.no_grad(), warnings.catch_warnings():
        # The exporter that torch prefers since 2.9 cannot take quantizers. Tracing makes sizes constants, as meant.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        torch.onnx.export(
            decoded,
            (torch.zeros(1, 3, image_size, image_size),),
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=axes,
        )


@contextmanager
def _native_fake_quantization() -> Iterator[None]:
    """The library's switch to the ops that become Q/DQ nodes, put back whatever happens."""
    before = TensorQuantizer.use_fb_fake_quant
    TensorQuantizer.use_fb_fake_quant = True
    try:
        yield
    finally:
        TensorQuantizer.use_fb_fake_quant = before


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
