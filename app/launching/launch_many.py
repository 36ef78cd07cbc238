"""Launch several commands: all of them, or none."""

from collections.abc import Sequence
from pathlib import Path

from app.launching.commands_file import Command
from app.launching.launch import launch_command, withdraw
from app.launching.schedule import AT_ONCE, Schedule
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.slurm import SlurmOptions
from engine.contracts.spec import RunSpec


def launch_commands(
    workspace: Workspace,
    commands: Sequence[Command],
    *,
    name: str | None = None,
    cwd: Path | None = None,
    priority: int = 0,
    slurm: SlurmOptions | None = None,
    torchrun: int | None = None,
    schedule: Schedule = AT_ONCE,
) -> list[RunSpec]:
    """Launch commands in their order, detached. The options are those of `launch_command`, for each of them.

    Raises:
        YoloqatError: one of them cannot be launched; those before it are stopped.
    """
    specs: list[RunSpec] = []
    try:
        for command in commands:
            spec = launch_command(
                workspace,
                command.argv,
                name=name,
                cwd=cwd,
                resources=command.resources,
                priority=priority,
                slurm=slurm,
                torchrun=torchrun,
                schedule=schedule,
            )
            specs.append(spec)
    except YoloqatError:
        withdraw(workspace, specs)
        raise
    return specs
