"""Check a pipeline that has valid structure: names, references, options, cycles."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from engine.contracts.options.base import StageOptions
from engine.contracts.stages import STAGES
from engine.pipelines.pipeline import (
    INPUTS,
    RESERVED,
    RUN,
    Pipeline,
    PipelineStep,
    Reference,
    adapt,
    malformed_references,
    references_in,
    substitute,
)
from engine.pipelines.yaml_lines import Location

_NAME = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True)
class Finding:
    """A mistake, and its location in the document."""

    location: Location
    text: str


def check(pipeline: Pipeline) -> list[Finding]:
    """Return all mistakes, unordered."""
    findings = list(_check_names(pipeline))
    for name, step in pipeline.stages.items():
        findings += _check_kind(name, step)
        findings += _check_references(pipeline, name, step)
        if step.uses is not None and step.uses in STAGES:
            findings += _check_options(pipeline, name, step, STAGES[step.uses].options)
    findings += _check_order(pipeline)
    findings += _check_inputs(pipeline)
    return list(dict.fromkeys(findings))


def check_grids(pipeline: Pipeline) -> list[Finding]:
    """Return the mistakes that prevent the expansion of grids."""
    findings = []
    for name, step in pipeline.stages.items():
        base: Location = ("stages", name, "grid")
        if step.grid and step.uses is None:
            findings.append(Finding(base, f"step `{name}` is a command: a grid gives values to a stage's options"))
        for key, values in step.grid.items():
            if not values:
                findings.append(Finding((*base, key), f"the grid of `{key}` has no values"))
            if any(value in values[:index] for index, value in enumerate(values)):
                findings.append(Finding((*base, key), f"the grid of `{key}` has a value twice"))
            if key in step.options:
                findings.append(Finding((*base, key), f"`{key}` stands in `options`, too"))
    return findings


def near(name: str, valid_names: Iterable[str]) -> str:
    """Return `; did you mean …?` for a close match, otherwise the list of valid names."""
    valid_names = list(valid_names)
    close = difflib.get_close_matches(name, valid_names, n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; there are: {', '.join(valid_names)}" if valid_names else ""


def _check_names(pipeline: Pipeline) -> Iterator[Finding]:
    if not pipeline.stages:
        yield Finding(("stages",), "there are no steps")
    if not _NAME.fullmatch(pipeline.name):
        yield Finding(("name",), f"the name {pipeline.name!r} may hold letters, digits, `-` and `_` only")
    for part, names in (("stages", pipeline.stages), (INPUTS, pipeline.inputs)):
        for name in names:
            if not _NAME.fullmatch(name):
                yield Finding((part, name), f"the name {name!r} may hold letters, digits, `-` and `_` only")
    for name in RESERVED:
        if name in pipeline.stages:
            yield Finding(("stages", name), f"a step cannot be called `{name}`: references use that name")


def _check_kind(name: str, step: PipelineStep) -> Iterator[Finding]:
    """Check that a step is either a stage or a command, and has only keys of its kind."""
    base: Location = ("stages", name)
    if (step.uses is None) == (not step.command):
        yield Finding(base, f"step `{name}` needs either `uses` (a stage) or `command`")
        return
    if step.uses is not None:
        if step.uses not in STAGES:
            yield Finding((*base, "uses"), f"there is no stage `{step.uses}`{near(step.uses, STAGES)}")
        if step.artifacts:
            yield Finding((*base, "artifacts"), f"step `{name}` uses a stage, whose artifacts are known")
        if step.torchrun is not None:
            yield Finding((*base, "torchrun"), f"step `{name}`: our stages compute in one process")
        if step.resources.model_fields_set:
            yield Finding((*base, "resources"), f"step `{name}`: a stage says what it needs by its `device`")
    elif step.options:
        yield Finding((*base, "options"), f"step `{name}` is a command: write its options into the command")
    for role, path in step.artifacts.items():
        if path.startswith("/") or ".." in path.split("/"):
            yield Finding((*base, "artifacts", role), f"the artifact `{path}` must lie inside the run folder")


def _check_references(pipeline: Pipeline, name: str, step: PipelineStep) -> Iterator[Finding]:
    for location, value in _option_and_command_values(name, step):
        for text in malformed_references(value):
            yield Finding(
                location, f"`{text}` is no reference: write ${{step.role}}, ${{inputs.name}}, or $${{ for a plain ${{"
            )
        for reference in references_in(value):
            problem = _reference_problem(pipeline, name, step, reference)
            if problem:
                yield Finding(location, f"`{reference}`: {problem}")
    for index, needed in enumerate(step.needs):
        if needed not in pipeline.stages:
            yield Finding(
                ("stages", name, "needs", index), f"there is no step `{needed}`{near(needed, pipeline.stages)}"
            )


def _option_and_command_values(name: str, step: PipelineStep) -> Iterator[tuple[Location, Any]]:
    for key, value in step.options.items():
        yield ("stages", name, "options", key), value
    for index, item in enumerate(step.command):
        yield ("stages", name, "command", index), item


def _reference_problem(pipeline: Pipeline, name: str, step: PipelineStep, reference: Reference) -> str:
    """Return what is wrong with a reference; empty for a valid one."""
    if reference.scope == INPUTS:
        is_defined = reference.name in pipeline.inputs
        return "" if is_defined else f"there is no input `{reference.name}`{near(reference.name, pipeline.inputs)}"
    if reference.scope == RUN:
        if step.uses is not None:
            return "only a command needs to know its run folder"
        return "" if reference.name == "folder" else "a run has a `folder` only"
    if reference.scope == name:
        return "a step cannot refer to itself; ${run.folder} is its own run folder"
    if reference.scope not in pipeline.stages:
        return f"there is no step `{reference.scope}`{near(reference.scope, pipeline.stages)}"
    parent = pipeline.stages[reference.scope]
    if parent.uses is not None and parent.uses not in STAGES:
        return ""  # `_check_kind` reports the unknown stage
    if reference.name in parent.roles:
        return ""
    return f"step `{reference.scope}` leaves no `{reference.name}`{near(reference.name, parent.roles)}"


def _check_options(pipeline: Pipeline, name: str, step: PipelineStep, options: type[StageOptions]) -> Iterator[Finding]:
    """Check that every option exists and is valid (inputs take their defaults), and that none is missing."""
    base: Location = ("stages", name, "options")
    values: dict[str, Any] = {}
    open_keys: set[str] = set()
    for key, value in step.options.items():
        if key not in options.model_fields:
            yield Finding((*base, key), f"`{step.uses}` has no option `{key}`{near(key, options.model_fields)}")
            continue
        if any(_is_open(pipeline, reference) for reference in references_in(value)):
            open_keys.add(key)
            continue
        resolved = substitute(value, lambda reference: _placeholder_value(pipeline, reference))
        if resolved is not None:
            values[key] = adapt(options, key, resolved)
    for key, text in option_mistakes(options, values):
        if key in open_keys:
            continue
        yield Finding((*base, key) if key in values else ("stages", name), f"step `{name}`: {text}")


def option_mistakes(options: type[StageOptions], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return pairs of option name and message for values that are invalid for a stage."""
    try:
        options.model_validate(values)
    except ValidationError as error:
        return [_option_mistake(dict(item)) for item in error.errors()]
    return []


def _option_mistake(error: dict[str, Any]) -> tuple[str, str]:
    key = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "missing":
        return key, f"the option `{key}` is missing"
    return key, f"`{key}`: {error['msg']} (got {error['input']!r})"


def _is_open(pipeline: Pipeline, reference: Reference) -> bool:
    """Whether the value is known only at launch, or the input is undefined, which `_check_references` reports."""
    if reference.scope != INPUTS:
        return False
    return reference.name not in pipeline.inputs or pipeline.inputs[reference.name].is_required


def _placeholder_value(pipeline: Pipeline, reference: Reference) -> Any:
    return pipeline.inputs[reference.name].default if reference.scope == INPUTS else "/path/of/an/artifact"


def _check_order(pipeline: Pipeline) -> Iterator[Finding]:
    """Report each cycle once, at its first step in the file."""
    edges = {
        name: [parent for parent in step.parents() if parent in pipeline.stages and parent != name]
        for name, step in pipeline.stages.items()
    }
    done: set[str] = set()
    for start in pipeline.stages:
        cycle = _cycle_from(start, edges, done)
        if cycle:
            first = min(cycle, key=list(pipeline.stages).index)
            offset = cycle.index(first)
            ring = [*cycle[offset:], *cycle[:offset], first]
            yield Finding(("stages", first), f"these steps wait for one another: {' → '.join(ring)}")
    for name, step in pipeline.stages.items():
        if name in step.needs:
            yield Finding(("stages", name, "needs"), f"step `{name}` waits for itself")


def _cycle_from(start: str, edges: dict[str, list[str]], done: set[str]) -> list[str]:
    """Return the steps of a cycle reachable from `start`, or an empty list; add all visited steps to `done`."""
    path: list[str] = []

    def visit(name: str) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        done.add(name)
        path.append(name)
        for parent in edges[name]:
            cycle = visit(parent)
            if cycle:
                return cycle
        path.pop()
        return []

    return visit(start)


def _check_inputs(pipeline: Pipeline) -> Iterator[Finding]:
    used = {
        reference.name
        for step in pipeline.stages.values()
        for reference in step.references()
        if reference.scope == INPUTS
    }
    for name in pipeline.inputs:
        if name not in used:
            yield Finding((INPUTS, name), f"no step takes the input `{name}`")
