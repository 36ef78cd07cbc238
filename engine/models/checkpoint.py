"""Checkpoints: tensors and plain data only, so that loading one runs no code."""

import pickle
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError
from engine.files.atomic import atomic_stream
from engine.models.config import parse_model_config
from engine.models.yolo import YoloModel, build_model
from engine.models.yolov7_checkpoint import read_yolov7_checkpoint

SCHEMA = 1
_FORMAT = "yoloqat"
_MOST_EXPANSION = 4
_FREE_EXPANSION_BYTES = 64 << 20
"""What a checkpoint may hold compressed, at most."""
_LFS_PREFIX = b"version https://git-lfs"


@dataclass
class Checkpoint:
    """Everything that a stage saves, in types that `torch.load(weights_only=True)` accepts."""

    model_state: dict[str, Tensor]
    config: dict[str, Any]
    """The model file as plain data; `width_multiple` and `nc` as built."""
    names: list[str]
    act: str = "model"
    ema_state: dict[str, Tensor] | None = None
    optimizer: dict[str, Any] | None = None
    epoch: int = -1
    """The last finished epoch, 0-based; −1 once training is over."""
    best_fitness: float = 0.0
    updates: int = 0
    """Number of EMA updates."""
    training_results: str = ""
    hyp: dict[str, Any] | None = None
    quant: dict[str, Any] | None = None
    """Where quantizers sit and their ranges; None for a float model."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Stage, data set, image size, scaler and random states, …"""
    schema: int = SCHEMA

    @property
    def nc(self) -> int:
        return len(self.names)

    @property
    def state(self) -> dict[str, Tensor]:
        """The weights to evaluate: the EMA's if there are any."""
        return self.ema_state if self.ema_state is not None else self.model_state


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically: a reader sees the old file or the new one, never a partial one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {f.name: getattr(checkpoint, f.name) for f in fields(checkpoint)}
    with atomic_stream(path) as file:
        torch.save({"format": _FORMAT, **data}, file)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of yoloqat or of the original YOLOv7, without running any code in the file.

    Raises:
        YoloqatError: the file is missing, a Git LFS pointer, truncated, not a checkpoint, from a newer version, or
            tries to run code.
    """
    path = Path(path)
    _check_file(path)
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, KeyError, ValueError, TypeError):
        return _load_yolov7(path)
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        return _load_yolov7(path)
    if int(data.get("schema", 0)) > SCHEMA:
        raise YoloqatError(
            "this checkpoint was written by a newer version", where=str(path), hint="Update yoloqat to read it."
        )
    field_names = {f.name for f in fields(Checkpoint)}
    try:
        return Checkpoint(**{key: value for key, value in data.items() if key in field_names})
    except TypeError as error:
        raise YoloqatError(f"the checkpoint is incomplete: {error}", where=str(path)) from error


def model_from_checkpoint(checkpoint: Checkpoint, ema: bool = True) -> YoloModel:
    """Rebuild the float model in evaluation mode, with the EMA's weights unless `ema` is False.

    Raises:
        YoloqatError: the weights do not fit the model description.
    """
    config = parse_model_config(checkpoint.config, "checkpoint", "checkpoint")
    model = build_model(config, names=checkpoint.names, act=checkpoint.act)
    state = checkpoint.state if ema else checkpoint.model_state
    try:
        model.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
        )
    except RuntimeError as error:
        raise YoloqatError(
            f"the weights do not fit the model that the checkpoint describes: {str(error).splitlines()[0]}",
            hint="Another program wrote the file; export or train the model again.",
        ) from error
    return model.eval()


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise YoloqatError("no such file", where=str(path), hint="Check the path given to --weights.")
    size = path.stat().st_size
    with path.open("rb") as file:
        first_bytes = file.read(64)
    if first_bytes.startswith(_LFS_PREFIX):
        raise YoloqatError(
            f"this is a Git LFS pointer of {size} bytes, not the weights",
            where=str(path),
            hint="Run `git lfs pull`, or download the file itself.",
        )
    if first_bytes[:2] == b"PK" and not zipfile.is_zipfile(path):
        raise YoloqatError(
            f"the file is truncated after {size} bytes: the zip directory at its end is missing",
            where=str(path),
            hint="Download or copy it again, and compare the size with the source.",
        )
    if first_bytes[:2] == b"PK":
        _check_expansion(path, size)
    if first_bytes[:2] != b"PK":
        raise YoloqatError(
            "this is not a PyTorch checkpoint (no zip archive)",
            where=str(path),
            hint="Expected a .pt of yoloqat or of YOLOv7; save files older than PyTorch 1.6 again with a newer one.",
        )


def _check_expansion(path: Path, size: int) -> None:
    """Refuse an archive whose contents are much larger than itself: PyTorch stores tensors as they are."""
    with zipfile.ZipFile(path) as archive:
        expanded = sum(entry.file_size for entry in archive.infolist())
    if expanded > _MOST_EXPANSION * size + _FREE_EXPANSION_BYTES:
        raise YoloqatError(
            f"the file has {size / 1e6:.1f} MB and would expand to {expanded / 1e6:.0f} MB",
            where=str(path),
            hint="This is no checkpoint that PyTorch has written. Download it again, from a source that you trust.",
        )


def _load_yolov7(path: Path) -> Checkpoint:
    original = read_yolov7_checkpoint(path)
    config = parse_model_config(original.config, path.stem, str(path))
    return Checkpoint(
        model_state=original.state,
        config=config.to_plain(),
        names=original.names,
        act="model",
        meta={"source": "YOLOv7"},
    )
