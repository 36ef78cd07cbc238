"""Find, plan and launch pipelines."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.launching.launch import check_program, cpu_lane, torchrun_command, withdraw
from app.workspace.engine_python import choose_engine
from app.workspace.notifications import write_notify_file
from app.workspace.run_names import check_name, free_name, lock_names, run_names, used_names_of
from app.workspace.settings import load_settings
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.slurm import Executor, SlurmOptions
from engine.contracts.spec import COMMAND, Resources, RunSpec
from engine.contracts.stages import stage_info
from engine.pipelines.check import near, option_mistakes
from engine.pipelines.file import Mistake, PipelineError, read_pipeline
from engine.pipelines.pipeline import (
    INPUTS,
    Pipeline,
    PipelineStep,
    Reference,
    StepResources,
    adapt,
    references_in,
    substitute,
)
from engine.supervise.device_option import reconcile_devices
from engine.supervise.launch.commands import PACKAGE_ROOT, engine_command
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.interpreter import EngineChoice
from engine.supervise.launch.launch import launch, launch_array
from engine.supervise.resources import requested_resources, resources_of_stage
from engine.supervise.slurm.client import require_slurm

NO_SLURM_OPTIONS = SlurmOptions()
CONFIGS = PACKAGE_ROOT / "configs"
_FALLBACKS = {"weights": None, "data": "data", "cfg": "models", "hyp": "hyp"}
"""Options that name a file → folder of `configs` that a stage falls back to when the file is missing."""


@dataclass(frozen=True)
class PipelineSummary:
    """One line of the list of pipelines."""

    name: str
    description: str
    steps: tuple[str, ...]
    path: Path


def list_pipelines() -> list[PipelineSummary]:
    """List the pipelines of `configs/pipelines`, by name.

    Raises:
        YoloqatError: one of them has mistakes.
    """
    pipelines = (read_pipeline(path) for path in sorted((CONFIGS / "pipelines").glob("*.yaml")))
    return [PipelineSummary(p.name, p.description, tuple(p.order()), p.path) for p in pipelines]


def load_pipeline(path_or_name: str | Path) -> Pipeline:
    """Read a pipeline by the path of its file, or by the name of one in `configs/pipelines`.

    Raises:
        YoloqatError: the pipeline does not exist or has mistakes; each is reported with file and line.
    """
    path = Path(path_or_name)
    if path.is_file() or path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        return read_pipeline(path)
    ours = CONFIGS / "pipelines" / f"{path}.yaml"
    if not ours.is_file():
        pipeline_names = sorted(p.stem for p in ours.parent.glob("*.yaml"))
        raise YoloqatError(
            f"there is no pipeline {str(path)!r}{near(str(path), pipeline_names)}",
            hint="Give one of these names, or the path of a YAML file.",
        )
    return read_pipeline(ours)


def plan_pipeline(
    workspace: Workspace,
    pipeline: Pipeline,
    overrides: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    cwd: Path | None = None,
    executor: Executor | None = None,
    slurm: SlurmOptions = NO_SLURM_OPTIONS,
    engine_python: str | None = None,
) -> list[RunSpec]:
    """Return the runs that a launch would start, parents first. Writes nothing; each call draws new ids.

    Args:
        overrides: values of the pipeline's inputs; text is converted.
        name: of the group, counted up where it is taken; the pipeline's name when None.
        cwd: what relative paths in inputs are relative to; the caller's working directory when None.
        executor: replaces the one in the pipeline.
        slurm: options of every step at Slurm; they override those in the pipeline.
        engine_python: the Python that runs our stages; that of the settings, else this one, when None. A launch asks
            it whether they can run there.

    Raises:
        YoloqatError: an input is unknown or missing, a value is invalid, or a file is missing.
    """
    slurm_options = _slurm_options(pipeline, executor, slurm)
    engine = choose_engine(engine_python)
    return _plan(
        workspace, pipeline, overrides or {}, name, cwd, used_names_of(run_names(workspace)), slurm_options, engine
    )


def launch_pipeline(
    workspace: Workspace,
    pipeline: Pipeline,
    overrides: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    cwd: Path | None = None,
    executor: Executor | None = None,
    slurm: SlurmOptions = NO_SLURM_OPTIONS,
    engine_python: str | None = None,
    not_before: float = 0.0,
) -> list[RunSpec]:
    """Launch every step, detached; each runner waits for the steps that its run needs. Launches all or none.

    Args:
        not_before: no step starts before this time, in seconds since 1970.

    Raises:
        YoloqatError: as `plan_pipeline`, or a run cannot be launched.
    """
    width, notify_path, is_shared = cpu_lane(), write_notify_file(), load_settings().shared
    slurm_options = _slurm_options(pipeline, executor, slurm)
    if slurm_options is not None:
        require_slurm()
    engine = choose_engine(engine_python)
    if any(step.uses for step in pipeline.stages.values()):
        engine.check()
    with lock_names(workspace) as used_names:
        specs = _plan(workspace, pipeline, overrides or {}, name, cwd, used_names, slurm_options, engine)
        try:
            for name_of_all, batch in _batches(pipeline, specs):
                if len(batch) == 1:
                    launch(
                        workspace,
                        batch[0],
                        cpu_lane=width,
                        notify=notify_path,
                        is_shared=is_shared,
                        not_before=not_before,
                    )
                else:
                    launch_array(
                        workspace, batch, name=name_of_all, cpu_lane=width, notify=notify_path, is_shared=is_shared
                    )
        except YoloqatError:
            withdraw(workspace, specs)
            raise
    return specs


def _batches(pipeline: Pipeline, specs: Sequence[RunSpec]) -> list[tuple[str, list[RunSpec]]]:
    """Group the runs into submissions, parents first, each with a name: at Slurm, a grid of a step is one job array."""
    batches: dict[str, list[RunSpec]] = {}
    for spec in specs:
        step = spec.step or ""
        key = pipeline.origin_of(step) if spec.slurm is not None else step
        batches.setdefault(key, []).append(spec)
    return [(f"{batch[0].group}-{key}", batch) for key, batch in batches.items()]


def _plan(
    workspace: Workspace,
    pipeline: Pipeline,
    overrides: Mapping[str, Any],
    name: str | None,
    cwd: Path | None,
    used_names: set[str],
    slurm: Mapping[str, SlurmOptions] | None,
    engine: EngineChoice,
) -> list[RunSpec]:
    inputs = _inputs(pipeline, overrides)
    group = _free_group(pipeline, check_name(name or pipeline.name), used_names)
    directory = Path(os.path.abspath(cwd or Path.cwd()))
    ids = {step: new_run_id() for step in pipeline.order()}
    mistakes: list[Mistake] = []
    specs = []
    for step_name, run_id in ids.items():
        step = pipeline.stages[step_name]
        resolve = _Resolver(workspace, pipeline, inputs, ids, run_id)
        try:
            step_slurm = None if slurm is None else slurm[step_name]
            stage, options, command, resources = _resolved(pipeline, step_name, resolve, directory, step_slurm, engine)
        except PipelineError as error:
            mistakes += error.mistakes
            continue
        specs.append(
            RunSpec(
                id=run_id,
                name=f"{group}-{step_name}",
                stage=stage,
                options=options,
                command=command,
                cwd=str(directory),
                group=group,
                pipeline=pipeline.name,
                step=step_name,
                parents=[ids[parent] for parent in step.parents()],
                artifacts=dict(step.roles),
                resources=resources,
                retry=step.retry,
                time_limit=step.time_limit,
                slurm=step_slurm,
            )
        )
    if mistakes:
        raise PipelineError(pipeline.path, mistakes)
    return specs


def _slurm_options(
    pipeline: Pipeline, executor: Executor | None, changes: SlurmOptions
) -> dict[str, SlurmOptions] | None:
    """Return the Slurm options of each step; None for runs on this machine."""
    if (executor or pipeline.executor) == "local":
        return None
    return {
        name: pipeline.slurm.with_changes(step.slurm).with_changes(changes) for name, step in pipeline.stages.items()
    }


def _inputs(pipeline: Pipeline, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every input.

    Raises:
        YoloqatError: inputs are unknown or missing; names all of them.
    """
    unknown = [name for name in overrides if name not in pipeline.inputs]
    if unknown:
        raise YoloqatError(
            f"there is no input `{unknown[0]}`{near(unknown[0], pipeline.inputs)}", where=f"pipeline {pipeline.name}"
        )
    missing = [
        name for name, declared_input in pipeline.inputs.items() if declared_input.is_required and name not in overrides
    ]
    if missing:
        missing_text = "; ".join(f"`{name}`: {pipeline.inputs[name].help}" for name in missing)
        flags = " ".join(f"--set {name}=…" for name in missing)
        raise YoloqatError(
            f"{'an input is' if len(missing) == 1 else 'inputs are'} missing: {missing_text}",
            where=f"pipeline {pipeline.name}",
            hint=f"Add {flags}",
        )
    return {name: overrides.get(name, declared_input.default) for name, declared_input in pipeline.inputs.items()}


def _free_group(pipeline: Pipeline, wished_name: str, used_names: set[str]) -> str:
    """Return a group name that is unused, with unused names for all runs of the group."""
    blocked = set(used_names)
    while True:
        group = free_name(wished_name, blocked)
        if not any(f"{group}-{step}" in used_names for step in pipeline.stages):
            return group
        blocked.add(group)


@dataclass(frozen=True)
class _Resolver:
    """Resolve the references of one step to their values."""

    workspace: Workspace
    pipeline: Pipeline
    inputs: Mapping[str, Any]
    ids: Mapping[str, str]
    run_id: str

    def __call__(self, reference: Reference) -> Any:
        if reference.scope == INPUTS:
            return self.inputs[reference.name]
        if reference.scope in self.ids:
            role = self.pipeline.stages[reference.scope].roles[reference.name]
            return str(self.workspace.run(self.ids[reference.scope]).path / role)
        return str(self.workspace.run(self.run_id).path)


def _resolved(
    pipeline: Pipeline, name: str, resolve: _Resolver, cwd: Path, slurm: SlurmOptions | None, engine: EngineChoice
) -> tuple[str, dict[str, Any], list[str], Resources]:
    """Return stage, options and command line of a step, and the resources that it reserves on this machine.

    Raises:
        PipelineError: lists every mistake.
    """
    step = pipeline.stages[name]
    _require_local_limits(pipeline, name, slurm)
    if step.uses is None:
        command = [str(word) for word in substitute(list(step.command), resolve)]
        with _at(pipeline, name, "command"):
            check_program(command, cwd)
        if step.torchrun is not None:
            with _at(pipeline, name, "command"):
                command = torchrun_command(command, step.torchrun, slurm)
        with _at(pipeline, name, "resources"):
            return (
                COMMAND,
                {},
                command,
                reconcile_devices(_requested_resources(step.resources), command) if slurm is None else Resources(),
            )
    model = stage_info(step.uses).options
    values = {
        key: adapt(model, key, value)
        for key, template in step.options.items()
        if (value := substitute(template, resolve)) is not None
    }
    mistakes = [*option_mistakes(model, values), *_missing_files(pipeline, step, values, cwd)]
    if mistakes:
        raise PipelineError(
            pipeline.path,
            [
                Mistake(pipeline.line_of("stages", name, "options", key), f"step `{name}`: {text}")
                for key, text in mistakes
            ],
        )
    options = model.model_validate(values)
    command = engine_command(step.uses, options, resolve.workspace.run(resolve.run_id).path, engine.path)
    resources = resources_of_stage(step.uses, options) if slurm is None else Resources()
    return step.uses, options.model_dump(mode="json"), command, resources


def _require_local_limits(pipeline: Pipeline, name: str, slurm: SlurmOptions | None) -> None:
    """Refuse limits that Slurm itself would have to keep.

    Raises:
        PipelineError: the step is a job of Slurm and has `retry` or `time_limit`.
    """
    step = pipeline.stages[name]
    for part in ("retry", "time_limit"):
        if slurm is not None and getattr(step, part):
            text = f"step `{name}`: `{part}` applies to this machine only; ask Slurm with `slurm: {{time: …}}`"
            raise PipelineError(pipeline.path, [Mistake(pipeline.line_of("stages", name, part), text)])


@contextlib.contextmanager
def _at(pipeline: Pipeline, name: str, part: str) -> Iterator[None]:
    """Report an error in the block as a mistake at this part of a step."""
    try:
        yield
    except YoloqatError as error:
        line = pipeline.line_of("stages", name, part)
        raise PipelineError(pipeline.path, [Mistake(line, f"step `{name}`: {error.what}")]) from error


def _requested_resources(resources: StepResources) -> Resources:
    gpu = None if resources.gpu is None else str(resources.gpu)
    memory = resources.gpu_memory
    return requested_resources(gpu=gpu, gpus=resources.gpus, memory_gb=memory, cpu_lane=resources.cpu_lane)


def _missing_files(
    pipeline: Pipeline, step: PipelineStep, values: Mapping[str, Any], cwd: Path
) -> list[tuple[str, str]]:
    """Report files that are named but missing. Files that another step will write are not checked."""
    mistakes = []
    for key, folder in _FALLBACKS.items():
        value = values.get(key)
        made_here = any(reference.scope in pipeline.stages for reference in references_in(step.options.get(key)))
        if not value or not isinstance(value, str) or made_here or (cwd / Path(value).expanduser()).exists():
            continue
        if folder is None or not (CONFIGS / folder / f"{Path(value).stem}.yaml").is_file():
            mistakes.append((key, f"`{key}`: there is no file {value}"))
    return mistakes
