"""The commands that build a TensorRT engine from an exported file, and time it.

Up to TensorRT 10 the builder is allowed INT8 and FP16; Q/DQ say where INT8 is, and FP16 is for the rest. TensorRT 11
has no such flags: types are those of the file, so that the rest runs in FP32 unless ModelOpt's AutoCast converts it
before. After NVIDIA's guides for moving from TensorRT 8 to 10 and from 10 to 11; no TensorRT was at hand to run them.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from engine.export.onnx_export import INPUT

UP_TO_10, FROM_11, FROM_11_FP16 = "TensorRT 8 to 10", "TensorRT 11", "TensorRT 11, the rest in FP16"


def trtexec_commands(
    path: Path, *, image_size: int, batches: Sequence[int] | None, quantized: bool
) -> dict[str, list[str]]:
    """Which TensorRT → the commands, in their order.

    Args:
        path: the exported file; the engine gets its place beside it.
        image_size: height and width of its images.
        batches: least, usual and largest batch of the engine; None for a file whose batch is fixed.
        quantized: whether it has Q/DQ.
    """
    engine, half = path.with_suffix(".engine"), path.with_suffix(".fp16.onnx")
    shapes = []
    if batches is not None:
        shapes = [
            f"--{which}Shapes={INPUT}:{batch}x3x{image_size}x{image_size}"
            for which, batch in zip(("min", "opt", "max"), batches, strict=True)
        ]
    allowed = ["--int8", "--fp16"] if quantized else ["--fp16"]
    cast = ["python", "-m", "modelopt.onnx.autocast", "--onnx_path", str(path), "--output_path", str(half)]
    return {
        UP_TO_10: [_trtexec(path, engine, [*allowed, *shapes])],
        FROM_11: [_trtexec(path, engine, shapes)],
        FROM_11_FP16: [shlex.join([*cast, "--keep_io_types"]), _trtexec(half, engine, shapes)],
    }


def _trtexec(path: Path, engine: Path, options: Sequence[str]) -> str:
    return shlex.join(["trtexec", f"--onnx={path}", f"--saveEngine={engine}", *options])
