"""The process that times one model, separate so that its peak memory can be measured.

It reads a batch size per line from stdin and answers each with a line of JSON: milliseconds and peak memory. ONNX files
are opened without loading PyTorch.
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
    """Open the file, then time one run per line of stdin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--provider", default="CPUExecutionProvider")
    parser.add_argument("--size", type=int, default=640)
    arguments = parser.parse_args()
    # Libraries print to stdout: answers go to a duplicate of it, everything else to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**facts: object) -> None:
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    try:
        model, facts = (_open_onnx if arguments.file.endswith(".onnx") else _open_checkpoint)(arguments)
    except YoloqatError as error:
        answer(error=error.what)
        return error.exit_code
    size = facts["image_size"]
    answer(**facts, opened_mb=peak_mb())
    inputs: dict[int, np.ndarray] = {}
    for line in sys.stdin:
        batch = int(line)
        if batch not in inputs:
            inputs = {batch: np.random.default_rng(0).random((batch, 3, size, size), dtype=np.float32)}
        start = time.perf_counter()
        model(inputs[batch])
        answer(ms=(time.perf_counter() - start) * 1000, peak_mb=peak_mb())
    return 0


def peak_mb() -> float:
    """Return the peak resident memory of this process, in MB.

    Read from /proc, where it is reset when the program starts; `getrusage` includes the parent's from before exec.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _open_onnx(arguments: argparse.Namespace) -> tuple[Model, dict[str, Any]]:
    import onnxruntime

    library_peak_mb = peak_mb()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = arguments.threads
    # Threads that spin until the next run would take CPU from the other models, which run in turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    providers: list[Any] = [arguments.provider]
    if arguments.provider == "TensorrtExecutionProvider":
        providers = [(arguments.provider, {"trt_int8_enable": True, "trt_fp16_enable": True}), "CUDAExecutionProvider"]
        providers.append("CPUExecutionProvider")
    session = onnxruntime.InferenceSession(arguments.file, options, providers=providers)
    image = session.get_inputs()[0]
    batch, _, height, _ = image.shape
    metadata = session.get_modelmeta().custom_metadata_map
    facts = {
        "label": metadata.get("label") or "ONNX",
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "provider": session.get_providers()[0],
        "available": onnxruntime.get_available_providers(),
        "fixed_batch": batch if isinstance(batch, int) else 0,
        "image_size": height if isinstance(height, int) else arguments.size,
        "library_mb": library_peak_mb,
    }
    return lambda images: session.run(None, {image.name: images}), facts


def _open_checkpoint(arguments: argparse.Namespace) -> tuple[Model, dict[str, Any]]:
    import torch

    from engine.evaluate.predictors import TorchPredictor
    from engine.models.checkpoint import load_checkpoint
    from engine.quant.state import restore_model

    library_peak_mb = peak_mb()
    torch.set_num_threads(arguments.threads)
    checkpoint = load_checkpoint(arguments.file)
    device = torch.device(arguments.device if arguments.device == "cpu" else f"cuda:{arguments.device}")
    predictor = TorchPredictor(restore_model(checkpoint).requires_grad_(False).to(device))
    facts = {
        "label": "float" if checkpoint.quant is None else str(checkpoint.meta.get("stage", "ptq")).upper(),
        "runtime": f"torch {torch.__version__}",
        "provider": str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        "fixed_batch": 0,
        "image_size": arguments.size,
        "library_mb": library_peak_mb,
    }

    def run(images: np.ndarray) -> None:
        predictor(torch.from_numpy(images).to(device))
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run, facts


if __name__ == "__main__":
    sys.exit(main())
