"""The catalogue of our stages: options, and the files that must exist for a run to succeed."""

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
from engine.contracts.stage_summaries import STAGE_SUMMARIES


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
        StageInfo("shapes", STAGE_SUMMARIES["shapes"], ShapesOptions, {"data": "data/shapes.yaml"}),
        StageInfo(
            "retrain",
            STAGE_SUMMARIES["retrain"],
            RetrainOptions,
            {"best": "weights/best.pt", "last": "weights/last.pt"},
        ),
        StageInfo("ptq", STAGE_SUMMARIES["ptq"], PtqOptions, {"weights": "weights/ptq.pt"}),
        StageInfo(
            "qat",
            STAGE_SUMMARIES["qat"],
            QatOptions,
            {"best": "weights/best.pt", "last": "weights/last.pt"},
        ),
        StageInfo(
            "export",
            STAGE_SUMMARIES["export"],
            ExportOptions,
            {"onnx": "export/model.onnx"},
        ),
        StageInfo(
            "int8",
            STAGE_SUMMARIES["int8"],
            Int8Options,
            {"onnx": "export/model.int8.onnx"},
        ),
        StageInfo(
            "sensitivity",
            STAGE_SUMMARIES["sensitivity"],
            SensitivityOptions,
            {"policy": "policy.txt"},
        ),
        StageInfo("benchmark", STAGE_SUMMARIES["benchmark"], BenchmarkOptions),
        StageInfo("evaluate", STAGE_SUMMARIES["evaluate"], EvaluateOptions),
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
