"""A pipeline: named steps that hand artifacts to one another, and the inputs that a user may set."""

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
"""`${inputs.NAME}`: what the user gave."""
RUN = "run"
"""`${run.folder}`: the run folder of the step itself, where a command leaves its artifacts."""
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
    """What holds when the user says nothing; null leaves the options that take it at their own defaults."""

    @property
    def is_required(self) -> bool:
        """Without a `default:` the user has to say it."""
        return "default" not in self.model_fields_set


class StepResources(BaseModel):
    """What a command needs to itself on this machine, as `yoloqat run` takes it; Slurm is asked by `slurm`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: StrictStr | StrictInt | None = None
    """Which GPU, as nvidia-smi counts; several with commas; `any`."""
    gpus: Annotated[int, Field(ge=1, strict=True)] | None = None
    """How many, whichever are free."""
    gpu_memory: Annotated[float, Field(gt=0)] | None = None
    """GB on each; the GPU is shared with runs that say how much they need, too."""
    cpu_lane: StrictBool = False


class PipelineStep(BaseModel):
    """One run of the pipeline: a stage of ours, or any command."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uses: str | None = None
    """`retrain`, `ptq`, …"""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of the stage by field name; the others keep their defaults."""
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    """Option → values: a run of the step for each combination, and of each step that builds on it."""
    command: list[Word] = Field(default_factory=list)
    """argv of any other program."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """What a command must leave: role → path relative to its run folder."""
    needs: list[str] = Field(default_factory=list)
    """Steps to wait for besides those that are referred to."""
    resources: StepResources = StepResources()
    """What a command needs to itself; a stage of ours says it by its `device`."""
    torchrun: Annotated[int, Field(ge=1, strict=True)] | None = None
    """As how many processes a command runs on each node, under torchrun."""
    retry: Annotated[int, Field(ge=0, le=100, strict=True)] = 0
    """How many attempts may follow one that did not come to its end."""
    time_limit: Annotated[float, BeforeValidator(_seconds)] = 0.0
    """Seconds after which it is stopped; written `12h`. 0 for no limit."""
    slurm: SlurmOptions = SlurmOptions()
    """What this step asks of Slurm, in the place of what the pipeline says for all."""

    @property
    def roles(self) -> Mapping[str, str]:
        """Role → path relative to the run folder, of what other steps may refer to."""
        if self.uses is not None:
            return STAGES[self.uses].artifacts if self.uses in STAGES else {}
        return self.artifacts

    def references(self) -> Iterator[Reference]:
        """Every reference in the options and in the command."""
        yield from references_in(self.options)
        yield from references_in(list(self.grid.values()))
        yield from references_in(self.command)

    def parents(self) -> list[str]:
        """The steps that must succeed first, each once."""
        referred = (reference.scope for reference in self.references() if reference.scope not in RESERVED)
        return list(dict.fromkeys([*referred, *self.needs]))


class Pipeline(BaseModel):
    """A whole pipeline, as `engine.pipelines.file.read_pipeline` returns it: checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    inputs: dict[str, PipelineInput] = Field(default_factory=dict)
    executor: Executor = "local"
    slurm: SlurmOptions = SlurmOptions()
    """What every step asks of Slurm, where that is the executor."""
    stages: dict[str, PipelineStep]
    path: Path = Path()
    """The file that it was read from."""
    _lines: Mapping[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)
    _origin: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def with_lines(self, lines: Mapping[tuple[str | int, ...], int]) -> "Pipeline":
        """Remember where everything stands in the file."""
        self._lines = lines
        return self

    def line_of(self, *location: str | int) -> int:
        """The line of a part such as `stages`, `ptq`, `options`, `weights`, or of the nearest one above it."""
        location = self._in_file(location)
        for end in range(len(location), 0, -1):
            line = self._lines.get(location[:end])
            if line is not None:
                return line
        return 1

    def with_origin(self, origin: Mapping[str, str]) -> "Pipeline":
        """Remember which step of the file each step was made of, where grids were multiplied out."""
        self._origin = origin
        return self

    def origin_of(self, step: str) -> str:
        """The step of the file that a step was made of; itself where it has no grid."""
        return self._origin.get(step, step)

    def _in_file(self, location: tuple[str | int, ...]) -> tuple[str | int, ...]:
        if len(location) > 1 and location[0] == "stages":
            made = self.origin_of(str(location[1]))
            in_grid = ("stages", made, "grid", *location[3:])
            is_option = len(location) > 3 and location[2] == "options"
            return in_grid if is_option and in_grid in self._lines else ("stages", made, *location[2:])
        return location

    def order(self) -> list[str]:
        """The steps, each after its parents, otherwise as they stand in the file. A cycle leaves its steps out."""
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
        """Step and option wherever an input is the whole value of a stage's option."""
        for step_name, step in self.stages.items():
            for key, value in step.options.items():
                items = value if isinstance(value, list) else [value]
                if any(sole_reference(item) == Reference(INPUTS, name) for item in items):
                    yield step_name, key

    def kind_of(self, name: str) -> tuple[InputKind, tuple[str, ...]]:
        """What a form field for an input should take, and the choices of a choice: by the options that take it."""
        for step_name, key in self.uses_of(name):
            stage = STAGES.get(self.stages[step_name].uses or "")
            field = stage.options.model_fields.get(key) if stage else None
            if field is None:
                continue
            whole = sole_reference(self.stages[step_name].options[key]) is not None
            return _kind(field.annotation if whole else (get_args(field.annotation) or (str,))[0])
        return "text", ()


def adapt(options: type[StageOptions], key: str, value: Any) -> Any:
    """A value as YAML or a person writes it, in the shape that the option takes: `device: 0` is the text `0`."""
    annotation = options.model_fields[key].annotation
    kind, _ = _kind(annotation)
    if kind == "list":
        if isinstance(value, str):
            return value.replace(",", " ").split()
        items = value if isinstance(value, list) else [value]
        item_type = (get_args(_required(annotation)) or (str,))[0]
        return [str(item) for item in items] if item_type is str else items
    if kind in ("text", "choice") and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def sole_reference(value: Any) -> Reference | None:
    """The reference that is the whole of a value, whose type it keeps; None for anything else."""
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    inside = _INSIDE.fullmatch(match.group(1) or "") if match else None
    return Reference(*inside.groups()) if inside else None


def references_in(value: Any) -> Iterator[Reference]:
    """All references in a value, however deep."""
    for text in _texts(value):
        for match in _REFERENCE.finditer(text):
            inside = _INSIDE.fullmatch(match.group(1) or "")
            if inside:
                yield Reference(*inside.groups())


def malformed_references(value: Any) -> Iterator[str]:
    """What begins like a reference and is none."""
    for text in _texts(value):
        for match in _REFERENCE.finditer(text):
            if match.group() != "$${" and not _INSIDE.fullmatch(match.group(1) or ""):
                yield match.group()


def substitute(value: Any, resolve: Callable[[Reference], Any]) -> Any:
    """Replace every reference; one that is the whole value keeps its type, and `$${` stands for a plain `${`."""
    if isinstance(value, list):
        return [substitute(item, resolve) for item in value]
    if isinstance(value, dict):
        return {key: substitute(item, resolve) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    whole = sole_reference(value)
    if whole is not None:
        return resolve(whole)
    return _REFERENCE.sub(lambda match: _replaced(match, resolve), value)


def _replaced(match: re.Match[str], resolve: Callable[[Reference], Any]) -> str:
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
    annotation = _required(annotation)
    if get_origin(annotation) is Literal:
        return "choice", tuple(str(choice) for choice in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        return "list", ()
    kinds: dict[Any, InputKind] = {bool: "bool", int: "int", float: "float"}
    return kinds.get(annotation, "text"), ()


def _required(annotation: Any) -> Any:
    """The annotation without `| None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(a for a in get_args(annotation) if a is not type(None))
    return annotation
