"""Read a pipeline file and report every mistake with its line, before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.contracts.errors import YoloqatError
from engine.contracts.slurm import SlurmOptions
from engine.pipelines.check import Finding, check, check_grids, near
from engine.pipelines.grid import MOST_RUNS, TooLarge, expand_grids
from engine.pipelines.pipeline import Pipeline, PipelineInput, PipelineStep
from engine.pipelines.yaml_lines import LinedYaml, read_lined_yaml


@dataclass(frozen=True)
class Mistake:
    """One mistake in a pipeline file."""

    line: int
    text: str


class PipelineError(YoloqatError):
    """All mistakes in a pipeline file."""

    def __init__(self, path: Path, mistakes: Sequence[Mistake]) -> None:
        self.path = path
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        if len(self.mistakes) == 1:
            where, what = f"{path}:{self.mistakes[0].line}", self.mistakes[0].text
        else:
            where = str(path)
            lines = (f"{path}:{mistake.line}: {mistake.text}" for mistake in self.mistakes)
            what = "\n  ".join([f"{len(self.mistakes)} mistakes", *lines])
        super().__init__(what, where=where, hint="Nothing was started.")


def read_pipeline(path: Path) -> Pipeline:
    """Read and check a pipeline.

    Raises:
        YoloqatError: the file cannot be read or is not YAML.
        PipelineError: the pipeline is invalid; lists all mistakes.
    """
    document = read_lined_yaml(path)
    pipeline, findings = _validate_structure(document, path)
    mistakes: list[Mistake] = []
    if pipeline is not None:
        findings += check_grids(pipeline)
        pipeline, grid_mistakes = _expand_and_check(pipeline) if not findings else (pipeline, [])
        mistakes += grid_mistakes
    mistakes += [Mistake(document.line(finding.location), finding.text) for finding in findings]
    mistakes += [Mistake(line, f"`{location[-1]}` is here a second time") for location, line in document.duplicates]
    if mistakes or pipeline is None:
        raise PipelineError(path, mistakes)
    return pipeline


def _expand_and_check(pipeline: Pipeline) -> tuple[Pipeline, list[Mistake]]:
    """Return the pipeline with expanded grids, and its mistakes, each once."""
    try:
        expanded, origin = expand_grids(pipeline)
    except TooLarge:
        text = f"the grids multiply to more than {MOST_RUNS} runs"
        return pipeline, [Mistake(pipeline.line_of("stages"), text)]
    expanded = expanded.with_origin(origin)
    mistakes: dict[tuple[int, str], Mistake] = {}
    for finding in check(expanded):
        line = expanded.line_of(*finding.location)
        text = finding.text
        for expanded_name, name in origin.items():
            text = text.replace(f"`{expanded_name}`", f"`{name}`").replace(f"${{{expanded_name}.", f"${{{name}.")
        mistakes.setdefault((line, text), Mistake(line, text))
    return expanded, list(mistakes.values())


def _validate_structure(document: LinedYaml, path: Path) -> tuple[Pipeline | None, list[Finding]]:
    """Return the document as a pipeline, or None and the errors in its structure."""
    if not isinstance(document.value, dict):
        return None, [Finding((), "a pipeline needs the keys `name` and `stages`")]
    try:
        pipeline = Pipeline.model_validate({**document.value, "path": path}).with_lines(document.lines)
    except ValidationError as error:
        return None, list(dict.fromkeys(_finding(document, dict(item)) for item in error.errors()))
    if "path" in document.value:
        return None, [Finding(("path",), "there is no key `path`")]
    return pipeline, []


def _finding(document: LinedYaml, error: dict[str, Any]) -> Finding:
    location = tuple(error["loc"])
    if error["type"] == "missing":
        return Finding(location[:-1], f"the key `{location[-1]}` is missing")
    if error["type"] == "extra_forbidden":
        name = str(location[-1])
        return Finding(location, f"there is no key `{name}`{near(name, _keys_at(location))}")
    # For union types, pydantic appends the type that it tried to the location; strip what is not in the document.
    existing = location
    while existing and existing not in document.lines:
        existing = existing[:-1]
    dotted = ".".join(map(str, existing))
    if existing != location:
        return Finding(existing, f"`{dotted}` has a value of a wrong type (text goes in quotes)")
    return Finding(existing, f"`{dotted}`: {error['msg']}")


def _keys_at(location: tuple[str | int, ...]) -> list[str]:
    """Return the valid keys at a location."""
    if len(location) == 1:
        return [name for name in Pipeline.model_fields if name != "path"]
    if location[-2] == "slurm":
        return list(SlurmOptions.model_fields)
    return list((PipelineInput if location[0] == "inputs" else PipelineStep).model_fields)
