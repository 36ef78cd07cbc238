"""The rules by which the golden numbers' weights and inputs are made (no weights are shipped)."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.models.yolo import YoloModel


def generator(key: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(key.encode()) & 0xFFFFFFFF)


def filled(fill: str, shape: list[int], key: str, gain: float) -> np.ndarray:
    r = generator(key)
    if fill == "conv":
        return r.standard_normal(shape) * np.sqrt(gain / np.prod(shape[1:]))
    if fill in ("scale", "var"):
        return r.uniform(0.5, 1.5, shape)
    if fill in ("bias", "mean", "implicit_add"):
        return r.standard_normal(shape) * 0.1
    return 1 + r.standard_normal(shape) * 0.1 if fill == "implicit_mul" else np.zeros(shape)


def fill_by_rule(model: YoloModel, entries: list[dict[str, Any]], gain: float) -> None:
    state = model.state_dict()
    for entry in entries:
        if entry["fill"] != "keep":
            value = filled(entry["fill"], entry["shape"], entry["key"], gain)
            state[entry["key"]].copy_(torch.as_tensor(np.asarray(value)))


def rule_input(tag: str, shape: list[int]) -> torch.Tensor:
    return torch.from_numpy(generator(f"input:{tag}").random_sample(shape).astype(np.float32))


def read(golden: Path, name: str) -> Any:
    return json.loads((golden / "models" / f"{name}.json").read_text())
