"""Launch a single run: a stage of ours, or any command."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from app.launching.schedule import AT_ONCE, Schedule
from app.workspace.engine_python import choose_engine
from app.workspace.notifications import write_notify_file
from app.workspace.run_names import check_name, free_name, lock_names
from app.workspace.settings import load_settings
from engine.contracts.errors import YoloqatError
from engine.contracts.options.base import StageOptions
from engine.contracts.run_folder import Workspace
from engine.contracts.slurm import SlurmOptions
from engine.contracts.spec import COMMAND, Resources, RunSpec
from engine.contracts.stages import stage_info
from engine.supervise.lanes import lane_width
from engine.supervise.launch.commands import engine_command
from engine.supervise.launch.ids import new_run_id
from engine.supervise.launch.launch import launch
from engine.supervise.launch.torchrun import torchrun_argv
from engine.supervise.resources import resources_of_stage
from engine.supervise.slurm.client import require_slurm
from engine.supervise.slurm.on_nodes import on_nodes_argv
from engine.supervise.stop import request_stop

_NOTHING = Resources()


def launch_stage(
    workspace: Workspace,
    stage: str,
    options: StageOptions,
    *,
    name: str | None = None,
    parents: Sequence[str] = (),
    cwd: Path | None = None,
    priority: int = 0,
    slurm: SlurmOptions | None = None,
    engine_python: str | None = None,
    schedule: Schedule = AT_ONCE,
) -> RunSpec:
    """Launch one of our stages, detached. Relative paths in its options are relative to `cwd`.

    Args:
        name: counted up where it is taken; the stage's name when None.
        parents: ids of the runs that must succeed first.
        cwd: the caller's working directory when None.
        priority: the higher, the earlier it gets the GPU or the CPU lane.
        slurm: what it asks of Slurm, to which it is submitted; None to run it on this machine.
        engine_python: the Python that runs it; that of the settings, else this one, when None.
        schedule: when it starts, how long it may run, and how often it is retried.

    Raises:
        YoloqatError: it cannot be launched.
    """
    info = stage_info(stage)
    engine = choose_engine(engine_python)
    engine.check()

    def specify(run_id: str, free: str) -> RunSpec:
        return RunSpec(
            id=run_id,
            name=free,
            stage=stage,
            options=options.model_dump(mode="json"),
            command=engine_command(stage, options, workspace.run(run_id).path, engine.path),
            cwd=str(_directory(cwd)),
            parents=list(parents),
            artifacts=dict(info.artifacts),
            resources=resources_of_stage(stage, options) if slurm is None else _NOTHING,
            retry=schedule.retry,
            time_limit=schedule.time_limit,
            slurm=slurm,
        )

    schedule.require_local(slurm)
    return _launch_named(workspace, name or stage, specify, priority, schedule)


def launch_command(
    workspace: Workspace,
    argv: Sequence[str],
    *,
    name: str | None = None,
    cwd: Path | None = None,
    resources: Resources = _NOTHING,
    priority: int = 0,
    slurm: SlurmOptions | None = None,
    torchrun: int | None = None,
    schedule: Schedule = AT_ONCE,
) -> RunSpec:
    """Launch any command, detached.

    Args:
        argv: program and arguments; no shell reads them.
        name: counted up where it is taken; made from the command when None.
        cwd: the caller's working directory when None.
        resources: what it needs to itself.
        priority: the higher, the earlier it gets them.
        slurm: what it asks of Slurm, to which it is submitted; None to run it on this machine.
        torchrun: as how many processes it runs on each node, under `torchrun`; None for the command as it stands.
        schedule: when it starts, how long it may run, and how often it is retried.

    Raises:
        YoloqatError: the program is missing, or the run cannot be launched.
    """
    directory, command = resolve_command(argv, cwd, torchrun, slurm)

    def specify(run_id: str, free: str) -> RunSpec:
        return RunSpec(
            id=run_id,
            name=free,
            stage=COMMAND,
            command=command,
            cwd=str(directory),
            resources=resources,
            retry=schedule.retry,
            time_limit=schedule.time_limit,
            slurm=slurm,
        )

    schedule.require_local(slurm)
    return _launch_named(workspace, name or name_of_command(argv), specify, priority, schedule)


def resolve_command(
    argv: Sequence[str], cwd: Path | None, torchrun: int | None, slurm: SlurmOptions | None
) -> tuple[Path, list[str]]:
    """Return the working directory and the command line of a launch. Arguments as those of `launch_command`.

    Raises:
        YoloqatError: the directory or the program is missing, or the command cannot run under torchrun.
    """
    directory = _directory(cwd)
    check_program(argv, directory)
    return directory, list(argv) if torchrun is None else torchrun_command(argv, torchrun, slurm)


def withdraw(workspace: Workspace, specs: Sequence[RunSpec]) -> None:
    """Stop the runs of a launch of several that failed halfway, children first."""
    for spec in reversed(specs):
        for attempt in workspace.run(spec.id).attempts():
            request_stop(attempt)


def torchrun_command(argv: Sequence[str], processes: int, slurm: SlurmOptions | None) -> list[str]:
    """Wrap a command in `torchrun`, for several processes on each node.

    Raises:
        YoloqatError: the command is not a Python script or module.
    """
    if slurm is not None and slurm.nodes is not None and slurm.nodes > 1:
        return on_nodes_argv(argv, processes, slurm.nodes)
    return torchrun_argv(argv, processes)


def name_of_command(argv: Sequence[str]) -> str:
    """`train` for `python -u train.py …`; the program's name where there is no script."""
    script = next((word for word in argv if word.endswith((".py", ".sh")) and not word.startswith("-")), argv[0])
    return Path(script).stem.strip("-") or "run"


def check_program(argv: Sequence[str], cwd: Path) -> None:
    """Check that the program can be executed, by the rules of the runner.

    Raises:
        YoloqatError: the command is empty, or the program is missing or not executable.
    """
    if not argv or not argv[0]:
        raise YoloqatError("there is no command to run", hint="Write it after `--`: yoloqat run -- python train.py")
    program = argv[0]
    program_path = shutil.which(program) if os.sep not in program else shutil.which(str(cwd / program))
    if program_path is None:
        raise YoloqatError(
            f"there is no program {program!r} that can be executed",
            where=str(cwd) if os.sep in program else "PATH",
            hint="Check the spelling. A shell's own commands need the shell: bash -c '…'.",
        )


def cpu_lane() -> int:
    """Return how many runs may hold the CPU lane at once; 0 for no limit.

    Raises:
        YoloqatError: the settings or YOLOQAT_CPU_LANE are invalid.
    """
    return lane_width(load_settings().cpu_lane)


def _launch_named(
    workspace: Workspace,
    wished_name: str,
    specify: Callable[[str, str], RunSpec],
    priority: int,
    schedule: Schedule,
) -> RunSpec:
    check_name(wished_name)
    width, notify_path = cpu_lane(), write_notify_file()
    with lock_names(workspace) as used_names:
        spec = specify(new_run_id(), free_name(wished_name, used_names))
        if spec.slurm is not None:
            require_slurm()
        launch(
            workspace,
            spec,
            cpu_lane=width,
            priority=priority,
            notify=notify_path,
            is_shared=load_settings().shared,
            not_before=schedule.not_before,
        )
    return spec


def _directory(cwd: Path | None) -> Path:
    directory = Path(os.path.abspath(cwd or Path.cwd()))
    if not directory.is_dir():
        raise YoloqatError("the working directory does not exist", where=str(directory), hint="Check --cwd.")
    return directory
