"""Form fields, command lines and errors of a pipeline as data. No widget."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.widgets.base.styled_text import Cell, clean
from app.widgets.launch.input_form import Field
from engine.contracts.errors import YoloqatError

if TYPE_CHECKING:
    from engine.contracts.spec import RunSpec
    from engine.pipelines.pipeline import Pipeline

NAME = "name"
"""The first field of the form: the name of the pipeline's runs."""


def fields_of(pipeline: Pipeline) -> list[Field]:
    """Return the fields of a pipeline: a name for its runs, then its inputs."""
    fields = [Field(NAME, "what its runs are called; a taken name is counted up", "text", pipeline.name)]
    if NAME in pipeline.inputs:
        fields = []
    for name, declared_input in pipeline.inputs.items():
        kind, choices = pipeline.kind_of(name)
        fields.append(
            Field(name, declared_input.help, kind, _typed(declared_input.default), choices, declared_input.is_required)
        )
    return fields


def _typed(value: object) -> str:
    """Return a default as it would be typed."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return "" if value is None else str(value)


def command_lines(specs: Sequence[RunSpec]) -> list[Cell]:
    """Return name and command line of each run."""
    lines: list[Cell] = []
    for spec in specs:
        lines += [((clean(spec.name), "title"),), clean(shlex.join(spec.command)), ""]
    return lines[:-1]


def error_lines(error: YoloqatError) -> list[Cell]:
    """Return an error, its location and its hint as lines."""
    lines: list[Cell] = [((clean(line.strip()), "bad"),) for line in error.what.splitlines()]
    if error.where:
        lines.append(((clean(error.where), "muted"),))
    if error.hint and "--set" not in error.hint:
        lines += ["", clean(error.hint)]
    return lines


def named_inputs(pipeline: Pipeline | None, error: YoloqatError) -> dict[str, str]:
    """Return the inputs that an error names, directly or by the options that take their values."""
    values: dict[str, str] = {}
    if pipeline is None:
        return values
    for line in error.what.splitlines():
        for name in pipeline.inputs:
            uses = any(f"`{step}`" in line and f"`{key}`" in line for step, key in pipeline.uses_of(name))
            if uses or f"`{name}`" in line:
                values.setdefault(name, line.strip())
    return values
