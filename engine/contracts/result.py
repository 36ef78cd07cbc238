"""`result.json`: what one of our stages measured and wrote, at full precision."""

import hashlib
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.files.atomic import write_text
from engine.files.safe_open import read_regular


class Artifact(BaseModel):
    """A file that a run read or wrote. Its SHA-256 links runs, independent of its name."""

    model_config = ConfigDict(extra="forbid")

    role: str
    """`best`, `last`, `weights`, `onnx`, `data`, …"""
    path: str
    """Relative to the run folder for outputs, absolute for inputs."""
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, role: str, path: Path, relative_to: Path | None = None) -> "Artifact":
        """Hash and measure a file."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        stored_path = os.path.relpath(path, relative_to) if relative_to else str(path.absolute())
        return cls(role=role, path=stored_path, size_bytes=path.stat().st_size, sha256=digest)


class EvaluationSettings(BaseModel):
    """The settings that must be equal for two evaluations to be comparable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    """SHA-256 over the evaluated images' file names, sizes and labels."""
    split: str
    images: int
    image_size: int
    letterbox: str
    """`rect` (YOLOv7's: batch shapes by aspect ratio, padded by half a stride) or `square`."""
    conf_thres: float
    iou_thres: float
    max_det: int = 300
    ap: Literal["yolov7", "yolov5"] = "yolov7"
    """Where the recall curve under mAP ends: `yolov5` (at 1) with `--v5-metric`."""


class EvaluationResult(BaseModel):
    """One model evaluated on one set of images."""

    model_config = ConfigDict(extra="forbid")

    label: str
    """`float`, `PTQ`, `QAT`, `ONNX Q/DQ`, …"""
    weights: str
    backend: str
    """`pytorch` or `onnxruntime`."""
    settings: EvaluationSettings
    metrics: dict[str, float]
    """Keys as the log prints them: P, R, mAP@.5, mAP@.5:.95, and pycocotools' AP, AP50, AP75, APs, APm, APl, AR1, AR10,
    AR100, ARs, ARm, ARl. Fractions, 0 to 1."""
    per_class: dict[str, dict[str, float]] = Field(default_factory=dict)
    milliseconds_per_image: dict[str, float] = Field(default_factory=dict)
    """`inference`, `nms`, `total`: as measured in the run, not a benchmark."""
    matches: str | None = None
    """File beside `result.json` with the matches per image, from which noise is computed."""


class StageResult(BaseModel):
    """Content of `result.json`."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = 1
    stage: str
    seconds: float
    inputs: list[Artifact] = Field(default_factory=list)
    artifacts: list[Artifact] = Field(default_factory=list)
    evaluations: list[EvaluationResult] = Field(default_factory=list)
    """In order of execution; the last one is the result of the stage."""
    details: dict[str, object] = Field(default_factory=dict)
    """Stage-specific facts: model summary, calibration table, export checks."""

    def write(self, path: Path) -> None:
        """Write atomically."""
        write_text(path, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, path: Path) -> "StageResult | None":
        """Return the result, or None when the file is missing or invalid."""
        try:
            return cls.model_validate_json(read_regular(path))
        except (OSError, ValueError):
            return None
