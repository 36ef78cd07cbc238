"""`benchmark`: time models in alternation, each in its own process; with TensorRT where it is installed."""

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from engine.console.say import say
from engine.contracts.errors import YoloqatError
from engine.contracts.events import emit
from engine.contracts.options.benchmark import BenchmarkOptions
from engine.contracts.result import Artifact, StageResult
from engine.export.benchmark import WARM_UP, Subject, measure, reference_of
from engine.export.graph import QUANTIZE
from engine.export.int8 import without_quantization
from engine.export.metadata import read_metadata
from engine.export.tensorrt import Engine, find_trtexec, time_engine
from engine.stages.session import Session

TENSORRT = "TensorrtExecutionProvider"
FLOAT_LABEL = "ONNX float"


def run(options: BenchmarkOptions, session: Session) -> StageResult:
    """Time `models`, print a table per batch size and write the timings to `result.json`."""
    device = session.device(options.device)
    inputs = {path: session.add_input("model", path) for path in map(Path, dict.fromkeys(options.models))}
    graphs = {path: _load_graph(path) for path in inputs if path.suffix == ".onnx"}
    settings: dict[str, Any] = {
        "batches": sorted(set(options.batches)),
        "rounds": options.rounds,
        "threads": options.threads,
        "device": "cpu" if device.type == "cpu" else str(device.index),
        "size": _common_image_size(options, graphs),
    }
    if settings["batches"][0] < 1:
        raise YoloqatError("--batches: a batch must have at least one image")
    say(f"Timing {len(inputs)} models: {options.rounds} runs taking turns, {WARM_UP} before that to warm up...")
    with _float_copy(graphs, session.run_dir) as float_copy:
        subjects = measure([*inputs, *float_copy], labels=float_copy, **settings)
    tensorrt = _time_tensorrt(options, graphs, subjects, session.run_dir, settings)
    facts = {
        **{key: settings[key] for key in ("batches", "rounds", "threads", "device")},
        "warm_up": WARM_UP,
        "image_size": settings["size"],
        "unit": "ms",
        "machine": platform.processor() or platform.machine(),
        "models": [_subject_facts(subject, subjects, inputs.get(subject.path)) for subject in subjects],
        "tensorrt": tensorrt,
    }
    for batch in settings["batches"]:
        say(_table(subjects, facts, batch))
    emit("benchmark", **facts)
    return session.finish({}, details={"benchmark": facts})


def _common_image_size(options: BenchmarkOptions, graphs: dict[Path, onnx.ModelProto]) -> int:
    """Return the fixed image size of the ONNX files, else `--img-size`: checkpoints take any size."""
    sizes = {graph.graph.input[0].type.tensor_type.shape.dim[2].dim_value for graph in graphs.values()} - {0}
    if len(sizes) != 1 or sizes == {options.img_size}:
        return options.img_size
    size = int(sizes.pop())
    say(f"the ONNX files take images of {size}x{size}: timing at that size instead of --img-size {options.img_size}")
    return size


def _load_graph(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's errors share no base class but this
        raise YoloqatError("not an ONNX file", where=str(path)) from error


def _is_quantized(graph: onnx.ModelProto) -> bool:
    return any(node.op_type == QUANTIZE for node in graph.graph.node)


def _is_for_tensorrt(graph: onnx.ModelProto) -> bool:
    """Return False for files of stage `int8`: TensorRT does not accept their unsigned integers."""
    return read_metadata(graph).get("label") != "ONNX INT8"


@contextmanager
def _float_copy(graphs: dict[Path, onnx.ModelProto], folder: Path) -> Iterator[dict[Path, str]]:
    """Write a temporary float copy of the first Q/DQ file if every ONNX file is quantized, as the speed reference.

    Yields:
        The copy's path and label; nothing where a float file is given.
    """
    qdq_graphs = [graph for graph in graphs.values() if _is_quantized(graph) and _is_for_tensorrt(graph)]
    if not qdq_graphs or not all(map(_is_quantized, graphs.values())):
        yield {}
        return
    path = folder / "float.tmp.onnx"
    try:
        onnx.save(without_quantization(qdq_graphs[0]), path)
        yield {path: FLOAT_LABEL}
    finally:
        path.unlink(missing_ok=True)


def _time_tensorrt(
    options: BenchmarkOptions,
    graphs: dict[Path, onnx.ModelProto],
    subjects: Sequence[Subject],
    folder: Path,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Time the files in TensorRT, by trtexec and by ONNX Runtime's provider; `absent` for what is not installed."""
    labels = {subject.path: subject.label for subject in subjects}
    compatible_graphs = {path: graph for path, graph in graphs.items() if _is_for_tensorrt(graph)}
    program = find_trtexec()
    results: dict[str, Any] = {"trtexec": "absent", "provider": "absent"}
    if options.tensorrt and program:
        engines = []
        for path, graph in compatible_graphs.items():
            dynamic = not graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value
            for batch in settings["batches"] if dynamic else [1]:
                engines.append(
                    time_engine(
                        program,
                        labels[path],
                        path,
                        image_size=settings["size"],
                        batch=batch,
                        dynamic=dynamic,
                        quantized=_is_quantized(graph),
                        log=folder / f"trtexec-{len(engines)}.log",
                    )
                )
        results["trtexec"] = [engine.facts() for engine in engines]
        say("\n".join(map(_engine_line, engines)))
    if options.tensorrt and compatible_graphs and _has_provider():
        timed_graphs = measure(list(compatible_graphs), provider=TENSORRT, **settings)
        results["provider"] = [_subject_facts(subject, timed_graphs, None) for subject in timed_graphs]
    absent_names = [name for name, key in (("trtexec", "trtexec"), (TENSORRT, "provider")) if results[key] == "absent"]
    if absent_names and options.tensorrt:
        say(f"Not on this machine: {', '.join(absent_names)}")
    return results


def _has_provider() -> bool:
    import onnxruntime

    return TENSORRT in onnxruntime.get_available_providers()


def _engine_line(engine: Engine) -> str:
    if engine.median_ms is None:
        return f"trtexec {engine.label}, batch {engine.batch}: failed: {'; '.join(engine.errors)[:300]}"
    rate = f"{engine.images_per_second:.1f} images/s" if engine.images_per_second is not None else "no throughput"
    return (
        f"trtexec {engine.version or ''} {engine.label}, batch {engine.batch}: {engine.median_ms:.2f} ms median, {rate}"
    )


def _subject_facts(subject: Subject, subjects: Sequence[Subject], artifact: Artifact | None) -> dict[str, Any]:
    """Return one model's entry for the event and `result.json`; its SHA-256 identifies the run that made the file."""
    reference = reference_of(subject, subjects)
    rows = []
    for timing in subject.timings:
        reference_timing = reference.timing(timing.batch)
        speed = reference_timing.median / timing.median if reference_timing else None
        rows.append({**asdict(timing), "iqr": timing.p75 - timing.p25, "speed": speed})
    return {
        "label": subject.label,
        "path": str(subject.path) if artifact else None,
        "sha256": artifact.sha256 if artifact else None,
        "size_bytes": artifact.size_bytes if artifact else None,
        "runtime": subject.runtime,
        "provider": subject.provider,
        "peak_mb": subject.peak_mb,
        "library_mb": subject.library_mb,
        "reference": reference.label,
        "timings": rows,
        "skipped": subject.skipped,
    }


def _table(subjects: Sequence[Subject], facts: dict[str, Any], batch: int) -> str:
    threads, size = f"{facts['threads']} thread{'s' * (facts['threads'] > 1)}", facts["image_size"]
    lines = [
        f"\nBatch {batch}, {size}x{size}, {threads}, {facts['rounds']} runs, ms:",
        f"  {'':<14} {'median':>8} {'IQR':>7} {'p95':>8} {'images/s':>9} {'speed':>7} {'peak MB':>8} "
        f"{'file MB':>8}  where",
    ]
    for subject, measured in zip(subjects, facts["models"], strict=True):
        row = next((row for row in measured["timings"] if row["batch"] == batch), None)
        if row is None:
            lines.append(f"  {subject.label:<14} takes another batch")
            continue
        speed = f"{row['speed']:.2f}x" if row["speed"] else "-"
        size = f"{measured['size_bytes'] / 1e6:.2f}" if measured["size_bytes"] else "-"
        lines.append(
            f"  {subject.label:<14} {row['median']:8.2f} {row['iqr']:7.2f} {row['p95']:8.2f} "
            f"{row['images_per_second']:9.1f} {speed:>7} {subject.peak_mb:8.0f} {size:>8}  "
            f"{subject.runtime}, {subject.provider}"
        )
    comparisons = {
        f"{measured['label']} / {measured['reference']}"
        for measured in facts["models"]
        if measured["label"] != measured["reference"]
    }
    return "\n".join([*lines, f"  speed: {', '.join(sorted(comparisons)) or 'one model alone'}"])
