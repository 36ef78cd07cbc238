"""Options of `benchmark`."""

from engine.contracts.options.base import StageOptions, option


class BenchmarkOptions(StageOptions):
    """Time models side by side: latency, throughput, memory and size of .pt and .onnx, and TensorRT where it is."""

    models: list[str] = option(..., "the .pt and .onnx files to time, a float one among them", min_length=1)
    img_size: int = option(640, "image size in pixels, as the ONNX files have it", flags=("--img", "--imgsz"), ge=32)
    batches: list[int] = option([1], "images to a run; several are timed one after the other", min_length=1)
    rounds: int = option(30, "timed runs of each model and batch, after a warm-up", ge=1)
    threads: int = option(1, "CPU threads of each run", ge=1)
    device: str = option("cpu", "where checkpoints run: `cpu`, or a CUDA device such as 0; ONNX Runtime has its own")
    tensorrt: bool = option(True, "time ONNX files in trtexec and ONNX Runtime's TensorRT provider, where they are")
