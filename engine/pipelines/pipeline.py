"""A pipeline: named steps that pass artifacts to one another, and the inputs that a user may set."""

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)
from pydantic_core import PydanticCustomError

from engine.contracts.durations import parse_duration
from engine.contracts.options.base import StageOptions
from engine.contracts.slurm import Executor, SlurmOptions
from engine.contracts.stages import STAGES

INPUTS = "inputs"
"""Scope of `${inputs.NAME}`: the value of an input."""
RUN = "run"
"""Scope of `${run.folder}`: the run folder of the step itself, where a command writes its artifacts."""
RESERVED = (INPUTS, RUN)

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_INSIDE = re.compile(r"([A-Za-z_][\w-]*)\.([A-Za-z_][\w.-]*)")

InputKind = Literal["text", "int", "float", "bool", "choice", "list"]
Word = StrictStr | StrictInt | StrictFloat


@dataclass(frozen=True)
class Reference:
    """`${scope.name}`; the scope is `inputs`, `run` or a step."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"${{{self.scope}.{self.name}}}"


def _seconds(value: Any) -> float:
    try:
        return parse_duration(str(value)) if value else 0.0
    except ValueError as error:
        raise PydanticCustomError("duration", "{text}", {"text": str(error)}) from error


class PipelineInput(BaseModel):
    """A value that the user may set: `--set NAME=VALUE`, or a field of the launch form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    help: str = ""
    default: Word | StrictBool | list[Word] | None = None
    """Value of an unset input; null keeps the defaults of the options that use it."""

    @property
    def is_required(self) -> bool:
        """Whether the input has no `default:` and must be set by the user."""
        return "default" not in self.model_fields_set


class StepResources(BaseModel):
    """Local devices that a command leases, as in `yoloqat run`; for Slurm see `slurm`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: StrictStr | StrictInt | None = None
    """GPU by nvidia-smi index; several separated by commas; or `any`."""
    gpus: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Number of GPUs, any that are free."""
    gpu_memory: Annotated[float, Field(gt=0)] | None = None
    """GB on each GPU, which is shared with other runs that set this."""
    cpu_lane: StrictBool = False


class PipelineStep(BaseModel):
    """One run of the pipeline: a stage of ours, or any command."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uses: str | None = None
    """`retrain`, `ptq`, …"""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the stage by field name; the others keep their defaults."""
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """Option → values: the step, and each step that depends on it, runs once per combination."""
    command: list[Word] = Field(default_factory=list)
    """argv of any other program."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Artifacts that a command must write: role → path relative to its run folder."""
    needs: list[str] = Field(default_factory=list)
    """Steps to wait for, in addition to those in references."""
    resources: StepResources = StepResources()
    """Devices that a command leases; one of our stages uses its option `device` instead."""
    torchrun: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Number of processes per node of a command under torchrun."""
    retry: Annotated[int, Field(ge=0, le=100, strict=True)] = 0
    """Maximum number of retries."""
    time_limit: Annotated[float, BeforeValidator(_seconds)] = 0.0
    """Seconds after which the run is stopped, written as `12h`; 0 for no limit."""
    slurm: SlurmOptions = SlurmOptions()
    """Options for Slurm, which override those of the pipeline."""

    @property
    def roles(self) -> Mapping[str, str]:
        """Role → path relative to the run folder, of the artifacts that other steps may refer to."""
        if self.uses is not None:
            return STAGES[self.uses].artifacts if self.uses in STAGES else {}
        return self.artifacts

    def references(self) -> Iterator[Reference]:
        """Yield every reference in options, grid and command."""
        yield from references_in(self.options)
        yield from references_in(list(self.grid.values()))
        yield from references_in(self.command)

    def parents(self) -> list[str]:
        """Return the steps that must succeed first, without duplicates."""
        referred = (reference.scope for reference in self.references() if reference.scope not in RESERVED)
        return list(dict.fromkeys([*referred, *self.needs]))


class Pipeline(BaseModel):
    """A pipeline. `engine.pipelines.file.read_pipeline` returns a checked one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    inputs: dict[str, PipelineInput] = Field(default_factory=dict)
    executor: Executor = "local"
    slurm: SlurmOptions = SlurmOptions()
    """Options for Slurm of all steps, if `executor` is `slurm`."""
    stages: dict[str, PipelineStep]
    path: Path = Path()
    """Source file."""
    _lines: Mapping[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)
    _origin: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def with_lines(self, lines: Mapping[tuple[str | int, ...], int]) -> "Pipeline":
        """Set the line number of every location in the file, and return self."""
        self._lines = lines
        return self

    def line_of(self, *location: str | int) -> int:
        """Return the line of a location such as `stages`, `ptq`, `options`, `weights`, or of its nearest parent."""
        location = self._location_in_file(location)
        for end in range(len(location), 0, -1):
            line = self._lines.get(location[:end])
            if line is not None:
                return line
        return 1

    def with_origin(self, origin: Mapping[str, str]) -> "Pipeline":
        """Set which step of the file each expanded step comes from, and return self."""
        self._origin = origin
        return self

    def origin_of(self, step: str) -> str:
        """Return the step of the file that an expanded step comes from, or the step itself."""
        return self._origin.get(step, step)

    def _location_in_file(self, location: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if len(location) > 1 and location[0] == "stages":
            origin = self.origin_of(str(location[1]))
            in_grid = ("stages", origin, "grid", *location[3:])
            is_option = len(location) > 3 and location[2] == "options"
            return in_grid if is_option and in_grid in self._lines else ("stages", origin, *location[2:])
        return location

    def order(self) -> list[str]:
        """Return the steps in topological order, stable by position in the file. Steps of a cycle are omitted."""
        order: list[str] = []
        rest = list(self.stages)
        while rest:
            ready = next((step for step in rest if set(self.stages[step].parents()) <= set(order)), None)
            if ready is None:
                break
            order.append(ready)
            rest.remove(ready)
        return order

    def uses_of(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield (step, option) where an input is the entire value, or an entire item, of an option."""
        for step_name, step in self.stages.items():
            for key, value in step.options.items():
                items = value if isinstance(value, list) else [value]
                if any(sole_reference(item) == Reference(INPUTS, name) for item in items):
                    yield step_name, key

    def kind_of(self, name: str) -> tuple[InputKind, tuple[str, ...]]:
        """Return the kind of form field for an input, and its choices, derived from the first option that uses it."""
        for step_name, key in self.uses_of(name):
            stage = STAGES.get(self.stages[step_name].uses or "")
            field = stage.options.model_fields.get(key) if stage else None
            if field is None:
                continue
            is_entire_value = sole_reference(self.stages[step_name].options[key]) is not None
            return _kind(field.annotation if is_entire_value else (get_args(field.annotation) or (str,))[0])
        return "text", ()


def adapt(options: type[StageOptions], key: str, value: Any) -> Any:
    """Convert a value from YAML or user input to the type of the option: `device: 0` becomes the text `0`."""
    annotation = options.model_fields[key].annotation
    kind, _ = _kind(annotation)
    if kind == "list":
        if isinstance(value, str):
            return value.replace(",", " ").split()
        items = value if isinstance(value, list) else [value]
        item_type = (get_args(_without_none(annotation)) or (str,))[0]
        return [str(item) for item in items] if item_type is str else items
    if kind in ("text", "choice") and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def sole_reference(value: Any) -> Reference | None:
    """Return the reference if it is the entire value, otherwise None."""
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    inside = _INSIDE.fullmatch(match.group(1) or "") if match else None
    return Reference(*inside.groups()) if inside else None


def references_in(value: Any) -> Iterator[Reference]:
    """Yield all references in a value, recursively."""
    for text in _texts(value):
        for match in _REFERENCE.finditer(text):
            inside = _INSIDE.fullmatch(match.group(1) or "")
            if inside:
                yield Reference(*inside.groups())


def malformed_references(value: Any) -> Iterator[str]:
    """Yield the texts that start like a reference but are not valid ones."""
    for text in _texts(value):
        for match in _REFERENCE.finditer(text):
            if match.group() != "$${" and not _INSIDE.fullmatch(match.group(1) or ""):
                yield match.group()


def substitute(value: Any, resolve: Callable[[Reference], Any]) -> Any:
    """Replace every reference. One that is the entire value keeps the type of its replacement; `$${` becomes `${`."""
    if isinstance(value, list):
        return [substitute(item, resolve) for item in value]
    if isinstance(value, dict):
        return {key: substitute(item, resolve) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    reference = sole_reference(value)
    if reference is not None:
        return resolve(reference)
    return _REFERENCE.sub(lambda match: _replacement(match, resolve), value)


def _replacement(match: re.Match[str], resolve: Callable[[Reference], Any]) -> str:
    if match.group() == "$${":
        return "${"
    inside = _INSIDE.fullmatch(match.group(1) or "")
    return str(resolve(Reference(*inside.groups()))) if inside else match.group()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)


def _kind(annotation: Any) -> tuple[InputKind, tuple[str, ...]]:
    annotation = _without_none(annotation)
    if get_origin(annotation) is Literal:
        return "choice", tuple(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        return "list", ()
    kinds: dict[Any, InputKind] = {bool: "bool", int: "int", float: "float"}
    return kinds.get(annotation, "text"), ()


def _without_none(annotation: Any) -> Any:
    """Return the annotation without `| None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(a for a in get_args(annotation) if a is not type(None))
    return annotation
