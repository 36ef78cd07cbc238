"""Decide which convolutions stay float (`--keep-float`)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from engine.contracts.errors import YoloqatError

DEFAULT = "default"
NONE = "none"


@dataclass(frozen=True)
class Policy:
    """The convolutions of a model, divided into quantized and float ones."""

    patterns: tuple[str, ...]
    """Regular expressions, with `default` and files resolved; a match of a module's path keeps all inside float."""
    quantized: tuple[str, ...]
    floating: tuple[str, ...]


def resolve_policy(model: nn.Module, keep_float: Sequence[str]) -> Policy:
    """Apply `--keep-float` to a fused model.

    Args:
        model: a `YoloModel`.
        keep_float: regular expressions of module paths; `default`: those of `default_patterns`; `none`: no pattern.

    Raises:
        YoloqatError: a pattern is not a regular expression or matches no convolution, or nothing is left to quantize.
    """
    convs = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    patterns: list[str] = []
    for pattern in read_entries(keep_float):
        if "=" in pattern:  # sets a width, see engine.quant.widths
            continue
        if pattern == DEFAULT:
            patterns += default_patterns(model)
        elif pattern != NONE:
            patterns.append(pattern)
    floating: set[str] = set()
    for pattern in dict.fromkeys(patterns):
        matched = {name for name in convs if matches(pattern, name)}
        if not matched:
            raise YoloqatError(
                f"--keep-float {pattern!r} matches no convolution of the model",
                hint=f"Paths look like {', '.join(_examples(convs))}.",
            )
        floating |= matched
    quantized = tuple(name for name in convs if name not in floating)
    if not quantized:
        raise YoloqatError("--keep-float leaves no convolution to quantize", hint="Give fewer patterns.")
    return Policy(tuple(dict.fromkeys(patterns)), quantized, tuple(name for name in convs if name in floating))


def read_entries(keep_float: Sequence[str]) -> Iterator[str]:
    """Yield the entries, with `@FILE` replaced by the lines of the file; some may be `REGEX=WIDTH`.

    Raises:
        YoloqatError: a file cannot be read.
    """
    for pattern in keep_float:
        if not pattern.startswith("@"):
            yield pattern
            continue
        try:
            lines = Path(pattern[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise YoloqatError(f"cannot read the --keep-float file: {error}", where=pattern[1:]) from error
        yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def default_patterns(model: nn.Module) -> list[str]:
    """Return no pattern if the first convolution has stride 2 (YOLOv7-tiny), else the head's 1×1 output convolutions.

    The head's outputs are never quantized, only its inputs and weights. On YOLOv7-tiny keeping head and first
    convolution float gains a tenth of a point and costs a third of ONNX Runtime's speed; see docs/benchmarks.md. Larger
    models have not been measured: they follow NVIDIA's published recipe.
    """
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is not None and first.in_channels == 3 and first.stride == (2, 2):
        return []
    names = {id(module): name for name, module in model.named_modules()}
    return [rf"{re.escape(names[id(model.head)])}\.m\..*"]


def matches(pattern: str, path: str, option: str = "--keep-float") -> bool:
    """Return whether the pattern matches the full path of the module, or of a module that contains it.

    Raises:
        YoloqatError: the pattern is not a regular expression; names the option that it comes from.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise YoloqatError(f"{option} {pattern!r} is not a regular expression: {error}") from None
    parts = path.split(".")
    return any(expression.fullmatch(".".join(parts[:end])) for end in range(1, len(parts) + 1))


def _examples(paths: Sequence[str]) -> Iterable[str]:
    return dict.fromkeys([*paths[:2], *paths[-1:]])
