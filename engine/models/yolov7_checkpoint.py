"""Checkpoints of the original YOLOv7, which pickle its model object: read without running code of the file.

The unpickler accepts tensors, ordered dicts and sets. Each class of the model becomes an inert stub that only stores
attributes; every other name is refused. The weights are then collected from the stubs.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.contracts.errors import YoloqatError

_STUB_PACKAGES = ("models.", "torch.nn.", "numpy.")
_STUB_NAMES = {("numpy", "ndarray"), ("numpy", "dtype"), ("torch", "device"), ("torch", "Size")}
_STORAGES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
}
_ACTIVATIONS = {"SiLU": "nn.SiLU()", "LeakyReLU": "nn.LeakyReLU(0.1)", "ReLU": "nn.ReLU()", "ReLU6": "nn.ReLU6()"}


@dataclass(frozen=True)
class Yolov7Checkpoint:
    """The content of a YOLOv7 checkpoint."""

    state: dict[str, Tensor]
    """fp32 tensors by YOLOv7's names, in its order."""
    config: dict[str, Any]
    """The model file in YOLOv7's dialect, with the activations that were trained."""
    names: list[str]


class _Stub:
    """Inert stand-in for a class of the pickle: stores the attributes, has no behaviour."""

    kind = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignore the constructor arguments of the pickle."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


class _Refused(Exception):
    """The pickle names something that is neither data nor a layer."""


def read_yolov7_checkpoint(path: Path) -> Yolov7Checkpoint:
    """Read a `.pt` of the original YOLOv7.

    Raises:
        YoloqatError: the file is not a YOLOv7 checkpoint, is damaged, or names code that does not belong in one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = _unpickle(archive)
    except _Refused as error:
        raise YoloqatError(
            f"the file's pickle names {error}, which does not belong in a checkpoint; no code was run",
            where=str(path),
            hint="Do not load this file elsewhere unless you trust where it comes from.",
        ) from error
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        KeyError,
        EOFError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        RuntimeError,
        UnicodeDecodeError,
        OSError,
    ) as error:
        raise YoloqatError(
            f"cannot read this checkpoint: {error}", where=str(path), hint="Expected a .pt of yoloqat or of YOLOv7."
        ) from error
    model = _find_model(content)
    if model is None:
        raise YoloqatError(
            "this file contains no YOLOv7 model", where=str(path), hint="Expected a .pt of yoloqat or of YOLOv7."
        )
    return Yolov7Checkpoint(_state_dict(model), _config(model, path), _names(model))


def _unpickle(archive: zipfile.ZipFile) -> Any:
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise pickle.UnpicklingError("no data.pkl in the archive")
    prefix = pickles[0][: -len("data.pkl")]
    with archive.open(pickles[0]) as file:
        return _Unpickler(file, lambda key: archive.read(f"{prefix}data/{key}")).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, read: Callable[[str], bytes]) -> None:
        super().__init__(file, encoding="utf-8")
        self._read = read
        self._stubs: dict[str, type] = {}
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, requires_grad, hooks: data
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("__builtin__", "builtins") and name == "set":
            return set
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding="latin1": text.encode("latin1")
        if module.startswith(_STUB_PACKAGES) or (module, name) in _STUB_NAMES or module == "pathlib":
            qualified_name = f"{module}.{name}"
            if qualified_name not in self._stubs:
                self._stubs[qualified_name] = type(name, (_Stub,), {"kind": qualified_name})
            return self._stubs[qualified_name]
        raise _Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("unknown persistent id")
        if key not in self._storages:
            raw = bytearray(self._read(str(key)))
            self._storages[key] = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        if self._storages[key].numel() < count:
            raise pickle.UnpicklingError(f"storage {key} is shorter than its {count} elements")
        return self._storages[key]


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *rest: Any) -> Tensor:
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _find_model(content: Any) -> _Stub | None:
    candidates = [content.get("ema"), content.get("model")] if isinstance(content, dict) else [content]
    for candidate in candidates:
        if isinstance(candidate, _Stub) and isinstance(getattr(candidate, "_modules", None), dict):
            return candidate
    return None


def _state_dict(node: _Stub, prefix: str = "") -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for attribute in ("_parameters", "_buffers"):
        for name, value in (node.__dict__.get(attribute) or {}).items():
            if isinstance(value, Tensor):
                state[prefix + name] = value.float() if value.is_floating_point() else value.clone()
    for name, child in (node.__dict__.get("_modules") or {}).items():
        if isinstance(child, _Stub):
            state |= _state_dict(child, f"{prefix}{name}.")
    return state


def _names(model: _Stub) -> list[str]:
    names = model.__dict__.get("names")
    if isinstance(names, dict):
        names = list(names.values())
    nc = int(model.__dict__.get("nc") or _config_dict(model).get("nc") or 0)
    return [str(n) for n in names] if isinstance(names, list) and names else [str(i) for i in range(nc)]


def _config_dict(model: _Stub) -> dict[str, Any]:
    config = model.__dict__.get("yaml")
    return config if isinstance(config, dict) else {}


def _config(model: _Stub, path: Path) -> dict[str, Any]:
    config = _config_dict(model)
    if not {"backbone", "head", "anchors"} <= set(config):
        raise YoloqatError(
            "the file does not describe its architecture", where=str(path), hint="Give the model file with --cfg."
        )
    layers = _layers(model)
    rows = [list(row) for row in [*config["backbone"], *config["head"]]]
    for index, row in enumerate(rows):
        if row[2] in ("Conv", "RepConv", "SPPCSPC", "DownC") and index < len(layers):
            kind = _activation(layers[index])
            args = [a for a in row[3] if not (isinstance(a, str) and a.startswith("nn."))]
            row[3] = [*args, kind] if kind else args
    return {
        **{k: v for k, v in config.items() if k not in ("backbone", "head")},
        "nc": len(_names(model)),
        "backbone": rows,
        "head": [],
    }


def _layers(model: _Stub) -> list[_Stub]:
    inner = (model.__dict__.get("_modules") or {}).get("model")
    return (
        [c for c in (inner.__dict__.get("_modules") or {}).values() if isinstance(c, _Stub)]
        if isinstance(inner, _Stub)
        else []
    )


def _activation(layer: _Stub) -> str | None:
    modules = layer.__dict__.get("_modules") or {}
    act = modules.get("act")
    if isinstance(act, _Stub):
        return _ACTIVATIONS.get(act.kind.rpartition(".")[2])
    return next(
        (activation for child in modules.values() if isinstance(child, _Stub) and (activation := _activation(child))),
        None,
    )
