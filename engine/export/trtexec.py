"""Compose the commands that build a TensorRT engine from an exported file and time it.

Up to TensorRT 10, flags allow the builder INT8 and FP16: Q/DQ nodes mark the INT8 part, the rest may run in FP16.
TensorRT 11 has no such flags: the file sets the types, so the rest runs in FP32 unless ModelOpt's AutoCast converts it
first. Written after NVIDIA's migration guides (TensorRT 8 to 10, 10 to 11); not run with a TensorRT yet.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from engine.export.onnx_export import INPUT

UP_TO_10, FROM_11, FROM_11_FP16 = "TensorRT 8 to 10", "TensorRT 11", "TensorRT 11, the rest in FP16"


def trtexec_commands(
    path: Path, *, image_size: int, batches: Sequence[int] | None, quantized: bool
) -> dict[str, list[str]]:
    """Return TensorRT version → the commands, in order.

    Args:
        path: the exported file; the engine is written beside it.
        image_size: height and width of its images.
        batches: minimum, optimal and maximum batch size of the engine; None for a file with a fixed batch size.
        quantized: whether the file has Q/DQ nodes.
    """
    engine, fp16_path = path.with_suffix(".engine"), path.with_suffix(".fp16.onnx")
    shapes = []
    if batches is not None:
        shapes = [
            f"--{which}Shapes={INPUT}:{batch}x3x{image_size}x{image_size}"
            for which, batch in zip(("min", "opt", "max"), batches, strict=True)
        ]
    precision = ["--int8", "--fp16"] if quantized else ["--fp16"]
    cast = ["python", "-m", "modelopt.onnx.autocast", "--onnx_path", str(path), "--output_path", str(fp16_path)]
    return {
        UP_TO_10: [_trtexec(path, engine, [*precision, *shapes])],
        FROM_11: [_trtexec(path, engine, shapes)],
        FROM_11_FP16: [shlex.join([*cast, "--keep_io_types"]), _trtexec(fp16_path, engine, shapes)],
    }


def _trtexec(path: Path, engine: Path, options: Sequence[str]) -> str:
    return shlex.join(["trtexec", f"--onnx={path}", f"--saveEngine={engine}", *options])
