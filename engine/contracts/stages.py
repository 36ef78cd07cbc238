"""The catalogue of our stages: options, and the files that a success must leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.contracts.errors import YoloqatError
from engine.contracts.options.base import StageOptions
from engine.contracts.options.benchmark import BenchmarkOptions
from engine.contracts.options.evaluate import EvaluateOptions
from engine.contracts.options.export import ExportOptions
from engine.contracts.options.int8 import Int8Options
from engine.contracts.options.ptq import PtqOptions
from engine.contracts.options.qat import QatOptions
from engine.contracts.options.retrain import RetrainOptions
from engine.contracts.options.sensitivity import SensitivityOptions
from engine.contracts.options.shapes import ShapesOptions


@dataclass(frozen=True)
class StageInfo:
    """One stage: `python -P -m engine <name>` and `yoloqat <name>`."""

    name: str
    summary: str
    options: type[StageOptions]
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """Role → path relative to the run folder. A pipeline refers to one as `${step.role}`."""


STAGES: Mapping[str, StageInfo] = {
    stage.name: stage
    for stage in (
        StageInfo("shapes", "Draw the synthetic demo data set", ShapesOptions, {"data": "data/shapes.yaml"}),
        StageInfo(
            "retrain",
            "Train the float model, with the activation of your choice",
            RetrainOptions,
            {"best": "weights/best.pt", "last": "weights/last.pt"},
        ),
        StageInfo("ptq", "Calibrate: post-training quantization", PtqOptions, {"weights": "weights/ptq.pt"}),
        StageInfo(
            "qat",
            "Fine-tune quantization-aware, from a PTQ checkpoint",
            QatOptions,
            {"best": "weights/best.pt", "last": "weights/last.pt"},
        ),
        StageInfo(
            "export",
            "Write ONNX, with Q/DQ nodes where the model is quantized",
            ExportOptions,
            {"onnx": "export/model.onnx"},
        ),
        StageInfo(
            "int8",
            "Rewrite ONNX Q/DQ so that ONNX Runtime runs it in int8",
            Int8Options,
            {"onnx": "export/model.int8.onnx"},
        ),
        StageInfo(
            "sensitivity",
            "Rank layers by the cost of quantizing them; plan what stays float",
            SensitivityOptions,
            {"policy": "policy.txt"},
        ),
        StageInfo("benchmark", "Time models side by side: .pt, .onnx and TensorRT", BenchmarkOptions),
        StageInfo("evaluate", "Evaluate a .pt or .onnx: P, R, mAP and pycocotools", EvaluateOptions),
    )
}


def stage_info(name: str) -> StageInfo:
    """Look a stage up.

    Raises:
        YoloqatError: there is no such stage; the message lists those there are.
    """
    try:
        return STAGES[name]
    except KeyError:
        raise YoloqatError(f"there is no stage {name!r}", hint=f"The stages are: {', '.join(STAGES)}.") from None
