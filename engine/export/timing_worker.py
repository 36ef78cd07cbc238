"""A process of its own for each timed model, so that its memory is its own.

It reads a batch size a line and answers with the milliseconds of one run. An ONNX file is opened without PyTorch.
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.contracts.errors import YoloqatError

Model = Callable[[np.ndarray], None]


def main() -> int:
    """Open the file, then time a run for each line of standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--provider", default="CPUExecutionProvider")
    parser.add_argument("--size", type=int, default=640)
    given = parser.parse_args()
    # Libraries print; the answers go where nobody else writes.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**facts: object) -> None:
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    try:
        model, facts = (_open_onnx if given.file.endswith(".onnx") else _open_checkpoint)(given)
    except YoloqatError as error:
        answer(error=error.what)
        return error.exit_code
    size = facts["image_size"]
    answer(**facts, opened_mb=peak_mb())
    made: dict[int, np.ndarray] = {}
    for line in sys.stdin:
        batch = int(line)
        if batch not in made:
            made = {batch: np.random.default_rng(0).random((batch, 3, size, size), dtype=np.float32)}
        began = time.perf_counter()
        model(made[batch])
        answer(ms=(time.perf_counter() - began) * 1000, peak_mb=peak_mb())
    return 0


def peak_mb() -> float:
    """Most memory that this process has had resident, in MB.

    From /proc, where it begins anew with the program: what `getrusage` tells begins with the parent's.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _open_onnx(given: argparse.Namespace) -> tuple[Model, dict[str, Any]]:
    import onnxruntime

    library = peak_mb()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = given.threads
    # Threads that wait for the next run would take the cores of the model whose turn it is.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    wanted: list[Any] = [given.provider]
    if given.provider == "TensorrtExecutionProvider":
        wanted = [(given.provider, {"trt_int8_enable": True, "trt_fp16_enable": True}), "CUDAExecutionProvider"]
        wanted.append("CPUExecutionProvider")
    session = onnxruntime.InferenceSession(given.file, options, providers=wanted)
    image = session.get_inputs()[0]
    batch, _, height, _ = image.shape
    metadata = session.get_modelmeta().custom_metadata_map
    facts = {
        "label": metadata.get("label") or "ONNX",
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "provider": session.get_providers()[0],
        "available": onnxruntime.get_available_providers(),
        "fixed_batch": batch if isinstance(batch, int) else 0,
        "image_size": height if isinstance(height, int) else given.size,
        "library_mb": library,
    }
    return lambda images: session.run(None, {image.name: images}), facts


def _open_checkpoint(given: argparse.Namespace) -> tuple[Model, dict[str, Any]]:
    import torch

    from engine.evaluate.predictors import TorchPredictor
    from engine.models.checkpoint import load_checkpoint
    from engine.quant.state import restore_model

    library = peak_mb()
    torch.set_num_threads(given.threads)
    checkpoint = load_checkpoint(given.file)
    device = torch.device(given.device if given.device == "cpu" else f"cuda:{given.device}")
    predictor = TorchPredictor(restore_model(checkpoint).requires_grad_(False).to(device))
    facts = {
        "label": "float" if checkpoint.quant is None else str(checkpoint.meta.get("stage", "ptq")).upper(),
        "runtime": f"torch {torch.__version__}",
        "provider": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "fixed_batch": 0,
        "image_size": given.size,
        "library_mb": library,
    }

    def run(images: np.ndarray) -> None:
        predictor(torch.from_numpy(images).to(device))
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run, facts


if __name__ == "__main__":
    sys.exit(main())
