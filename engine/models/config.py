"""Model files in YOLOv7's YAML dialect, `[from, number, module, args]` rows, parsed without `eval`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from engine.contracts.bounded_yaml import read_yaml
from engine.contracts.errors import YoloqatError

MODELS_FOLDER = Path(__file__).resolve().parents[2] / "configs" / "models"

_ACTIVATIONS = {
    "nn.SiLU()": "silu",
    "nn.ReLU()": "relu",
    "nn.ReLU6()": "relu6",
    "nn.LeakyReLU(0.1)": "leaky",
    "nn.Hardswish()": "hardswish",
    "nn.Identity()": "identity",
}
_CONSTANTS: dict[str, Any] = {"None": None, "True": True, "False": False}


@dataclass(frozen=True)
class LayerRow:
    """One row: the earlier layers that it reads, its module, and the arguments (without input channels)."""

    sources: tuple[int, ...]
    """Layer indices as written: negative counts back from this layer."""
    module: str
    args: tuple[Any, ...]
    repeat: int = 1
    activation: str | None = None
    """The activation that the row names; None for the model's default."""


@dataclass(frozen=True)
class ModelConfig:
    """The content of a model file."""

    name: str
    nc: int
    anchors: tuple[tuple[float, ...], ...]
    """Per level: w, h in pixels of each anchor, flattened."""
    layers: tuple[LayerRow, ...]
    depth_multiple: float = 1.0
    width_multiple: float = 1.0
    origin: str = field(default="", compare=False)
    """Where it was read, for error messages."""

    def with_head(self, module: str) -> "ModelConfig":
        """Return the same model with another detection head (`Detect`, `IDetect`)."""
        return replace(self, layers=(*self.layers[:-1], replace(self.layers[-1], module=module)))

    def to_plain(self) -> dict[str, Any]:
        """Return plain data in YOLOv7's dialect, for a checkpoint."""
        rows = []
        for row in self.layers:
            sources: Any = row.sources[0] if len(row.sources) == 1 else list(row.sources)
            args = [list(a) if isinstance(a, tuple) else a for a in row.args]
            if row.activation:
                args.append(next(text for text, name in _ACTIVATIONS.items() if name == row.activation))
            rows.append([sources, row.repeat, row.module, args])
        return {
            "name": self.name,
            "nc": self.nc,
            "depth_multiple": self.depth_multiple,
            "width_multiple": self.width_multiple,
            "anchors": [list(level) for level in self.anchors],
            "backbone": rows,
            "head": [],
        }


def load_model_config(path_or_name: str) -> ModelConfig:
    """Read a model file; if the path does not exist, the one of that name in `configs/models` (with a message).

    Raises:
        YoloqatError: neither exists, or the file is not a model file; the message names file and row.
    """
    path = Path(path_or_name)
    if path.is_file():
        return parse_model_config(_read(path), path.stem, str(path))
    stem = path.stem if path.suffix in (".yaml", ".yml") else path.name
    deploy = "deploy" in path.parts
    shipped_path = MODELS_FOLDER / f"{stem}.yaml"
    if not shipped_path.is_file():
        shipped_names = ", ".join(sorted(p.stem for p in MODELS_FOLDER.glob("*.yaml")))
        raise YoloqatError(
            f"no model file {path_or_name!r}",
            hint=f"Give the path of a YAML file, or a name in configs/models: {shipped_names}.",
        )
    if len(path.parts) > 1 or path.suffix:
        print(f"{path_or_name} is not here: using our configs/models/{stem}.yaml", flush=True)
    config = parse_model_config(_read(shipped_path), stem, str(shipped_path))
    return config.with_head("Detect") if deploy else config


def parse_model_config(data: Any, name: str, where: str) -> ModelConfig:
    """Parse the plain data of a model file.

    Raises:
        YoloqatError: a key is missing or a row is malformed; `where` and the row's index are in the message.
    """
    if not isinstance(data, Mapping):
        raise YoloqatError("not a model file: expected a mapping with nc, anchors, backbone and head", where=where)
    missing = [key for key in ("nc", "anchors", "backbone", "head") if key not in data]
    if missing:
        raise YoloqatError(f"the model file lacks {', '.join(missing)}", where=where)
    anchors = _anchors(data["anchors"], where)
    rows = [*(data["backbone"] or []), *(data["head"] or [])]
    layers = tuple(_row(index, row, where) for index, row in enumerate(rows))
    if not layers:
        raise YoloqatError("the model file has no layers", where=where)
    try:
        nc, depth = int(data["nc"]), float(data.get("depth_multiple", 1.0))
        width = float(data.get("width_multiple", 1.0))
    except (TypeError, ValueError) as error:
        raise YoloqatError(f"nc, depth_multiple and width_multiple must be numbers: {error}", where=where) from error
    return ModelConfig(str(data.get("name", name)), nc, anchors, layers, depth, width, where)


def scale_channels(channels: int, width: float) -> int:
    """Return channels times `width`, rounded up to a multiple of 8."""
    return channels if width == 1.0 else max(8, math.ceil(channels * width / 8) * 8)


def _read(path: Path) -> Any:
    try:
        return read_yaml(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise YoloqatError(f"cannot read the model file: {error}", where=str(path)) from error


def _anchors(value: Any, where: str) -> tuple[tuple[float, ...], ...]:
    if isinstance(value, int) and value > 0:
        # A placeholder: `anchors: 3` means three per level, to be computed from the data.
        return (tuple(float(n) for n in range(2 * value)),) * 3
    try:
        levels = tuple(tuple(float(n) for n in level) for level in value)
    except (TypeError, ValueError) as error:
        raise YoloqatError("anchors: expected one list of w, h numbers per level", where=where) from error
    if not levels or any(not level or len(level) % 2 or len(level) != len(levels[0]) for level in levels):
        raise YoloqatError("anchors: every level needs the same even number of w, h numbers", where=where)
    return levels


def _row(index: int, row: Any, where: str) -> LayerRow:
    row_location = f"{where}, layer {index}"
    if not isinstance(row, list | tuple) or len(row) != 4 or not isinstance(row[3], list | tuple):
        raise YoloqatError(f"a row must be [from, number, module, args], not {row!r}", where=row_location)
    sources = tuple(row[0]) if isinstance(row[0], list | tuple) else (row[0],)
    if not sources or not all(isinstance(source, int) and -index - 1 <= source < index for source in sources):
        raise YoloqatError(f"`from` {row[0]!r} does not point to an earlier layer", where=row_location)
    if not isinstance(row[1], int) or row[1] < 1:
        raise YoloqatError(f"the number of repeats must be a positive integer, not {row[1]!r}", where=row_location)
    args, activation = [], None
    for arg in row[3]:
        if isinstance(arg, str) and arg.replace(" ", "") in _ACTIVATIONS:
            activation = _ACTIVATIONS[arg.replace(" ", "")]
        elif isinstance(arg, str) and arg in _CONSTANTS:
            args.append(_CONSTANTS[arg])
        else:
            args.append(tuple(arg) if isinstance(arg, list) else arg)
    return LayerRow(sources, str(row[2]).strip(), tuple(args), row[1], activation)
