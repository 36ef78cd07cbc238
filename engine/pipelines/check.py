"""What can be wrong in a pipeline whose shape is right: names, references, options, cycles."""

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
    """A mistake, and the part of the document that it is about."""

    location: Location
    text: str


def check(pipeline: Pipeline) -> list[Finding]:
    """All mistakes, in no particular order."""
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
    """What keeps grids from being multiplied out."""
    findings = []
    for name, step in pipeline.stages.items():
        here: Location = ("stages", name, "grid")
        if step.grid and step.uses is None:
            findings.append(Finding(here, f"step `{name}` is a command: a grid gives values to a stage's options"))
        for key, values in step.grid.items():
            if not values:
                findings.append(Finding((*here, key), f"the grid of `{key}` has no values"))
            if any(value in values[:index] for index, value in enumerate(values)):
                findings.append(Finding((*here, key), f"the grid of `{key}` has a value twice"))
            if key in step.options:
                findings.append(Finding((*here, key), f"`{key}` stands in `options`, too"))
    return findings


def near(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or which there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; there are: {', '.join(known)}" if known else ""


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
    """A step is a stage of ours or a command, and has the keys of that kind alone."""
    here: Location = ("stages", name)
    if (step.uses is None) == (not step.command):
        yield Finding(here, f"step `{name}` needs either `uses` (a stage) or `command`")
        return
    if step.uses is not None:
        if step.uses not in STAGES:
            yield Finding((*here, "uses"), f"there is no stage `{step.uses}`{near(step.uses, STAGES)}")
        if step.artifacts:
            yield Finding((*here, "artifacts"), f"step `{name}` uses a stage, whose artifacts are known")
        if step.torchrun is not None:
            yield Finding((*here, "torchrun"), f"step `{name}`: our stages compute in one process")
        if step.resources.model_fields_set:
            yield Finding((*here, "resources"), f"step `{name}`: a stage says what it needs by its `device`")
    elif step.options:
        yield Finding((*here, "options"), f"step `{name}` is a command: write its options into the command")
    for role, path in step.artifacts.items():
        if path.startswith("/") or ".." in path.split("/"):
            yield Finding((*here, "artifacts", role), f"the artifact `{path}` must lie inside the run folder")


def _check_references(pipeline: Pipeline, name: str, step: PipelineStep) -> Iterator[Finding]:
    for location, value in _values(name, step):
        for text in malformed_references(value):
            yield Finding(
                location, f"`{text}` is no reference: write ${{step.role}}, ${{inputs.name}}, or $${{ for a plain ${{"
            )
        for reference in references_in(value):
            problem = _problem(pipeline, name, step, reference)
            if problem:
                yield Finding(location, f"`{reference}`: {problem}")
    for index, needed in enumerate(step.needs):
        if needed not in pipeline.stages:
            yield Finding(
                ("stages", name, "needs", index), f"there is no step `{needed}`{near(needed, pipeline.stages)}"
            )


def _values(name: str, step: PipelineStep) -> Iterator[tuple[Location, Any]]:
    for key, value in step.options.items():
        yield ("stages", name, "options", key), value
    for index, item in enumerate(step.command):
        yield ("stages", name, "command", index), item


def _problem(pipeline: Pipeline, name: str, step: PipelineStep, reference: Reference) -> str:
    """What is wrong with a reference; empty when nothing is."""
    if reference.scope == INPUTS:
        known = reference.name in pipeline.inputs
        return "" if known else f"there is no input `{reference.name}`{near(reference.name, pipeline.inputs)}"
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
        return ""  # said where the step stands
    if reference.name in parent.roles:
        return ""
    return f"step `{reference.scope}` leaves no `{reference.name}`{near(reference.name, parent.roles)}"


def _check_options(pipeline: Pipeline, name: str, step: PipelineStep, options: type[StageOptions]) -> Iterator[Finding]:
    """Every option exists, has a possible value (inputs count with their defaults), and none is forgotten."""
    here: Location = ("stages", name, "options")
    values: dict[str, Any] = {}
    unknown: set[str] = set()
    for key, value in step.options.items():
        if key not in options.model_fields:
            yield Finding((*here, key), f"`{step.uses}` has no option `{key}`{near(key, options.model_fields)}")
            continue
        if any(_is_open(pipeline, reference) for reference in references_in(value)):
            unknown.add(key)
            continue
        known = substitute(value, lambda reference: _default(pipeline, reference))
        if known is not None:
            values[key] = adapt(options, key, known)
    for key, text in option_mistakes(options, values):
        if key in unknown:
            continue
        yield Finding((*here, key) if key in values else ("stages", name), f"step `{name}`: {text}")


def option_mistakes(options: type[StageOptions], values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What keeps values from being the options of a stage: option and words."""
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
    """Whether only the launch tells the value (or none is there, which is said elsewhere)."""
    if reference.scope != INPUTS:
        return False
    return reference.name not in pipeline.inputs or pipeline.inputs[reference.name].is_required


def _default(pipeline: Pipeline, reference: Reference) -> Any:
    return pipeline.inputs[reference.name].default if reference.scope == INPUTS else "/path/of/an/artifact"


def _check_order(pipeline: Pipeline) -> Iterator[Finding]:
    """Finds each cycle once, at the step of it that stands first in the file."""
    edges = {
        name: [parent for parent in step.parents() if parent in pipeline.stages and parent != name]
        for name, step in pipeline.stages.items()
    }
    done: set[str] = set()
    for start in pipeline.stages:
        cycle = _cycle_from(start, edges, done)
        if cycle:
            first = min(cycle, key=list(pipeline.stages).index)
            turn = cycle.index(first)
            ring = [*cycle[turn:], *cycle[:turn], first]
            yield Finding(("stages", first), f"these steps wait for one another: {' → '.join(ring)}")
    for name, step in pipeline.stages.items():
        if name in step.needs:
            yield Finding(("stages", name, "needs"), f"step `{name}` waits for itself")


def _cycle_from(start: str, edges: dict[str, list[str]], done: set[str]) -> list[str]:
    """The steps of a cycle that can be reached from a step; every visited step is done afterwards."""
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
