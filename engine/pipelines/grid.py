"""Grids: a step with several values for an option becomes several steps, and so does every step that builds on it."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.pipelines.pipeline import Pipeline, PipelineStep, Reference, substitute

Choice = Mapping[tuple[str, str], Any]
"""Step and option → the value that it has in one variant."""
_UNFIT = re.compile(r"[^\w-]+")
MOST_RUNS = 1000
"""Of one pipeline; a grid of more is a slip."""


class TooLarge(ValueError):
    """The grids multiply to more runs than anybody means."""


def expand_grids(pipeline: Pipeline) -> tuple[Pipeline, dict[str, str]]:
    """Multiply out all grids. A pipeline without any, or with a cycle, comes back as it is.

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
            made = _named(name, choice)
            stages[made] = _step(pipeline.stages[name], name, choice, variants)
            origin[made] = name
    expanded = pipeline.model_copy(update={"stages": stages})
    return expanded, origin


def _variants(step: PipelineStep, name: str, choices_by_step: Mapping[str, list[Choice]]) -> Iterator[Choice]:
    """The step's own choices, times those of its parents as far as they agree on what they have in common."""
    own = [
        {(name, key): value for key, value in zip(step.grid, values, strict=True)}
        for values in itertools.product(*step.grid.values())
    ]
    parents = [choices_by_step[parent] for parent in step.parents() if parent in choices_by_step]
    for combination in itertools.product(*parents):
        joined: dict[tuple[str, str], Any] = {}
        if all(_join(joined, choice) for choice in combination):
            for choice in own:
                yield {**joined, **choice}


def _join(joined: dict[tuple[str, str], Any], choice: Choice) -> bool:
    """Add a parent's choice; False where it contradicts another parent's."""
    if any(key in joined and joined[key] != value for key, value in choice.items()):
        return False
    joined.update(choice)
    return True


def _named(name: str, choice: Choice) -> str:
    """`ptq-max`; `qat-max-0_001` below it."""
    return "-".join([name, *(_word(value) for value in choice.values())])


def _word(value: Any) -> str:
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    return _UNFIT.sub("_", text).strip("_") or "none"


def _step(step: PipelineStep, name: str, choice: Choice, variants: Mapping[str, list[Choice]]) -> PipelineStep:
    def renamed(parent: str) -> str:
        keys = variants[parent][0]
        return _named(parent, {key: choice[key] for key in keys})

    def redirect(reference: Reference) -> str:
        scope = renamed(reference.scope) if reference.scope in variants else reference.scope
        return str(Reference(scope, reference.name))

    own = {key: value for (owner, key), value in choice.items() if owner == name}
    return step.model_copy(
        update={
            "options": {**_redirected(step.options, redirect), **own},
            "command": _redirected(step.command, redirect),
            "needs": [renamed(parent) if parent in variants else parent for parent in step.needs],
            "grid": {},
        }
    )


def _redirected(value: Any, redirect: Any) -> Any:
    """With every reference written anew; what stands for a plain `${` stays written so."""
    if isinstance(value, str):
        protected = value.replace("$${", "\0")
        return substitute(protected, redirect).replace("\0", "$${")
    if isinstance(value, list):
        return [_redirected(item, redirect) for item in value]
    if isinstance(value, dict):
        return {key: _redirected(item, redirect) for key, item in value.items()}
    return value
