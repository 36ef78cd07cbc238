"""The `opt.yaml`, `hyp.yaml` and `args.yaml` that trainers leave in a run's folder: options as plain values.

Nothing in such a file is ever run: a value with a tag of Python, as dumps of paths have them, is read as the text, list
or mapping that is written behind it. Unverified: there are no such files here to hold it against.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engine.contracts.bounded_yaml import BoundedLoader
from engine.contracts.errors import YoloqatError
from engine.files.safe_open import open_regular
from engine.logs.lexer.text import decode

VERIFIED = False
NAMES = ("opt.yaml", "hyp.yaml", "args.yaml")
"""The files, in the order in which they are asked: what an earlier one says, a later one only adds to."""
MOST_BYTES = 256 << 10
"""Such a file has some kB; more is another file."""
_MOST = 10_000
"""Values, one for every 50 characters: an alias of a few bytes may stand for any number of them."""
_DEEPEST = 20
_LARGEST_INTEGER = 1 << 63
_HYPERPARAMETERS = {"lr0", "momentum", "weight_decay"}
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Hyperparameters:
    """What such a file says."""

    kind: str
    """`opt.yaml` (options of YOLOv5 to v9), `hyp.yaml` (their hyperparameters) or `args.yaml` (Ultralytics, YOLOv6): by
    what it holds, whatever it is called."""
    values: Mapping[str, Any]
    """Text, integers, floats, booleans, None, and lists and mappings of them, as JSON and a database can hold them: nan
    and inf are text."""


def read_hyperparameters(path: Path) -> Hyperparameters:
    """Read such a file.

    Raises:
        YoloqatError: it cannot be read, is too large, is no YAML or no mapping, or is none of these files.
    """
    try:
        with open_regular(path, follow=True) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise YoloqatError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    return parse_hyperparameters(data, str(path))


def parse_hyperparameters(data: bytes, where: str) -> Hyperparameters:
    """The options in the bytes of such a file.

    Raises:
        YoloqatError: they are too many, no YAML or no mapping, or of none of these files.
    """
    if len(data) > MOST_BYTES:
        raise YoloqatError(
            f"this file has more than {MOST_BYTES >> 10} kB, too large for a trainer's options", where=where
        )
    try:
        loader = _Loader(data.decode("utf-8-sig", errors="replace"))
        try:
            values = _Plain().value(loader.get_single_data())
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise YoloqatError(f"invalid YAML: {problem}", where=f"{where}:{mark.line + 1}" if mark else where) from error
    except (RecursionError, ValueError, OverflowError, TypeError) as error:
        raise YoloqatError("this YAML has values that no trainer's options have", where=where) from error
    kind = kind_of(values) if isinstance(values, dict) else None
    if kind is None:
        raise YoloqatError("unrecognised options file", where=where, hint=f"Known are {', '.join(NAMES)}.")
    return Hyperparameters(kind, values)


def kind_of(values: Mapping[str, Any]) -> str | None:
    """Which of the files holds such keys, None when none does."""
    keys = values.keys()
    if {"task", "mode", "model"} <= keys or {"conf_file", "epochs"} <= keys:
        return "args.yaml"
    if "epochs" in keys and ({"weights", "cfg"} & keys or {"data", "hyp"} <= keys):
        return "opt.yaml"
    return "hyp.yaml" if keys >= _HYPERPARAMETERS and "epochs" not in keys else None


class _Loader(BoundedLoader):
    """Plain values alone: any other tag is read as what is written behind it, and a date as its text."""

    yaml_implicit_resolvers = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) not in ("timestamp", "merge")]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave `<<` a key: merges of merges grow beyond all bounds, and no trainer writes them."""


def _construct_tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    """The value behind a tag that is not known."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if not isinstance(node, yaml.SequenceNode):
        return node.value
    parts = loader.construct_sequence(node, deep=True)
    is_path = suffix.endswith("Path") and "pathlib" in suffix and all(isinstance(part, str) for part in parts)
    return "/".join(parts).replace("//", "/") if is_path else parts


def _construct_other(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    value = _construct_tagged(loader, "", node)
    return list(value) if node.tag == f"{_TAG}set" else value


for _name in ("timestamp", "binary", "set", "omap", "pairs", "merge"):
    _Loader.add_constructor(f"{_TAG}{_name}", _construct_other)
_Loader.add_multi_constructor("", _construct_tagged)


class _Plain:
    """Makes values such that JSON and a database can hold them."""

    def __init__(self) -> None:
        self._left = _MOST

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a copy of the value with every mapping key turned into text, at all depths.

        Raises:
            ValueError: there are too many values, as aliases of aliases make them, or they are nested too deep.
        """
        self._left -= 1 + (len(value) // 50 if isinstance(value, str) else 0)
        if self._left < 0 or depth > _DEEPEST:
            raise ValueError("too many values")
        if isinstance(value, dict):
            return {_text(str(key)): self.value(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner, depth + 1) for inner in value]
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, int):
            return value if -_LARGEST_INTEGER <= value < _LARGEST_INTEGER else self.value(hex(value), depth)
        return value if value is None else _text(str(value))


def _text(text: str) -> str:
    """Without what would command a terminal or cannot be stored; line feeds become spaces."""
    return decode(" ".join(text.splitlines()).encode(errors="replace"))
