"""The commands for TensorRT: flags that each version has, and the shapes that the file takes."""

import shlex
from pathlib import Path

from engine.export.trtexec import FROM_11, FROM_11_FP16, UP_TO_10, trtexec_commands

PATH = Path("/runs/a run/export/model.onnx")
SHAPES = ["--minShapes=images:1x3x640x640", "--optShapes=images:8x3x640x640", "--maxShapes=images:16x3x640x640"]


def test_a_quantized_file_with_open_batch() -> None:
    commands = trtexec_commands(PATH, image_size=640, batches=(1, 8, 16), quantized=True)
    files = [f"--onnx={PATH}", "--saveEngine=/runs/a run/export/model.engine"]
    assert shlex.split(commands[UP_TO_10][0]) == ["trtexec", *files, "--int8", "--fp16", *SHAPES]
    assert shlex.split(commands[FROM_11][0]) == ["trtexec", *files, *SHAPES], "TensorRT 11 ends at flags it lacks"
    cast, build = map(shlex.split, commands[FROM_11_FP16])
    assert cast[cast.index("--output_path") + 1] == build[1].removeprefix("--onnx=") != str(PATH)


def test_a_float_file_with_a_fixed_batch() -> None:
    commands = trtexec_commands(PATH, image_size=320, batches=None, quantized=False)
    assert shlex.split(commands[UP_TO_10][0])[3:] == ["--fp16"]
    assert len(shlex.split(commands[FROM_11][0])) == 3
