"""Grids: a step with several values of an option becomes several steps, and so does every step that depends on it."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.pipelines.pipeline import Pipeline, PipelineStep, Reference, substitute

Choice = Mapping[tuple[str, str], Any]
"""(step, option) → its value in one variant."""
_INVALID_CHARACTERS = re.compile(r"[^\w-]+")
MOST_RUNS = 1000
"""Maximum per pipeline; a larger grid is assumed to be a mistake."""


class TooLarge(ValueError):
    """The grids expand to more than `MOST_RUNS` runs."""


def expand_grids(pipeline: Pipeline) -> tuple[Pipeline, dict[str, str]]:
    """Expand all grids. A pipeline without grids, or with a cycle, is returned unchanged.

    Returns:
        The pipeline, and for each of its steps the name of the step in the file.

    Raises:
        TooLarge: more than `MOST_RUNS` runs.
    """
    order = pipeline.order()
    if not any(step.grid for step in pipeline.stages.values()) or len(order) < len(pipeline.stages):
        return pipeline, {name: name for name in pipeline.stages}
    variants: dict[str, list[Choice]] = {}
    for name in order:
        variants[name] = list(_variants(pipeline.stages[name], name, variants))
        if sum(map(len, variants.values())) > MOST_RUNS:
            raise TooLarge
    stages: dict[str, PipelineStep] = {}
    origin: dict[str, str] = {}
    for name in pipeline.stages:
        for choice in variants[name]:
            variant_name = _variant_name(name, choice)
            stages[variant_name] = _step(pipeline.stages[name], name, choice, variants)
            origin[variant_name] = name
    expanded = pipeline.model_copy(update={"stages": stages})
    return expanded, origin


def _variants(step: PipelineStep, name: str, choices_by_step: Mapping[str, list[Choice]]) -> Iterator[Choice]:
    """Combine the step's own choices with those of its parents, where parents agree on shared options."""
    own = [
        {(name, key): value for key, value in zip(step.grid, values, strict=True)}
        for values in itertools.product(*step.grid.values())
    ]
    parents = [choices_by_step[parent] for parent in step.parents() if parent in choices_by_step]
    for combination in itertools.product(*parents):
        joined: dict[tuple[str, str], Any] = {}
        if all(_merge_choice(joined, choice) for choice in combination):
            for choice in own:
                yield {**joined, **choice}


def _merge_choice(joined: dict[tuple[str, str], Any], choice: Choice) -> bool:
    """Add a parent's choice to `joined`; return False if it contradicts another parent's."""
    if any(key in joined and joined[key] != value for key, value in choice.items()):
        return False
    joined.update(choice)
    return True


def _variant_name(name: str, choice: Choice) -> str:
    """Return the name of a variant: `ptq-max`, and `qat-max-0_001` for its child."""
    return "-".join([name, *(_value_slug(value) for value in choice.values())])


def _value_slug(value: Any) -> str:
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    return _INVALID_CHARACTERS.sub("_", text).strip("_") or "none"


def _step(step: PipelineStep, name: str, choice: Choice, variants: Mapping[str, list[Choice]]) -> PipelineStep:
    def variant_of(parent: str) -> str:
        keys = variants[parent][0]
        return _variant_name(parent, {key: choice[key] for key in keys})

    def rewrite(reference: Reference) -> str:
        scope = variant_of(reference.scope) if reference.scope in variants else reference.scope
        return str(Reference(scope, reference.name))

    own = {key: value for (owner, key), value in choice.items() if owner == name}
    return step.model_copy(
        update={
            "options": {**_rewrite_references(step.options, rewrite), **own},
            "command": _rewrite_references(step.command, rewrite),
            "needs": [variant_of(parent) if parent in variants else parent for parent in step.needs],
            "grid": {},
        }
    )


def _rewrite_references(value: Any, rewrite: Any) -> Any:
    """Return the value with every reference rewritten; the escape `$${` is preserved."""
    if isinstance(value, str):
        protected = value.replace("$${", "\0")
        return substitute(protected, rewrite).replace("\0", "$${")
    if isinstance(value, list):
        return [_rewrite_references(item, rewrite) for item in value]
    if isinstance(value, dict):
        return {key: _rewrite_references(item, rewrite) for key, item in value.items()}
    return value
