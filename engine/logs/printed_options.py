"""The options that a trainer prints in one line: `Namespace(…)`, `train: weights=…`, `hyperparameters: lr0=…`."""

import math
import re
from collections.abc import Mapping
from typing import Any

KINDS = ("options", "hyperparameters")
"""Kinds of notes that tell them."""
Value = str | int | float | bool | None | list[Any]

_NAME = r"[A-Za-z_]\w{0,60}"
_QUOTED = r"'(?:[^'\\]|\\.){0,2000}'|\"(?:[^\"\\]|\\.){0,2000}\""
_BEGIN = re.compile(rf"(?P<namespace>.{{0,40}}?\bNamespace\()|[\w/\\]{{1,40}}: (?={_NAME}=)")
_PAIR = re.compile(
    rf"(?P<name>{_NAME})=(?:(?:Posix|Windows)Path\((?P<path>{_QUOTED})\)|(?P<value>{_QUOTED}|\[[^\[\]]{{0,2000}}\]"
    rf"|.{{0,2000}}?))(?:, (?={_NAME}=)|$)"
)
_ITEM = re.compile(rf"({_QUOTED}|[^,]{{1,2000}})(?:, |$)")
_WORDS: Mapping[str, Value] = {"None": None, "True": True, "False": False}
_INTEGER = re.compile(r"-?\d{1,18}")
_FLOAT = re.compile(r"-?\d{0,18}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,3})?")
_MOST = 500
"""Options of one line."""


def told_options(text: str) -> dict[str, Value]:
    """The options in a line, as plain values; empty where it is none of these lines.

    Text that is not quoted reaches to the next `, name=`. The last option of a `Namespace` that is cut is left out.
    """
    begin = _BEGIN.match(text)
    if begin is None:
        return {}
    body, is_cut = text[begin.end() :].rstrip(), False
    if begin["namespace"]:
        is_cut, body = not body.endswith(")"), body.removesuffix(")")
    found: dict[str, Value] = {}
    at = 0
    while len(found) < _MOST and (pair := _PAIR.match(body, at)):
        found[pair["name"]] = _value(pair["path"] or pair["value"])
        at = pair.end()
    if is_cut and found:
        found.popitem()
    return found


def _value(text: str) -> Value:
    if text.startswith("[") and text.endswith("]"):
        return [_value(item) for item in _ITEM.findall(text[1:-1])]
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if text.strip("-+.eE") and _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
