"""`yoloqat retrain|ptq|qat|…`: launch one of our stages detached, and follow it until it ends."""

import argparse

from app.cli import yolov7_flags
from app.cli.executor import add_engine_python, add_slurm, requested_slurm
from app.cli.output import say, say_workspace
from app.cli.run import add_priority, follow_up, print_launched
from app.cli.schedule import add_schedule, chosen_schedule
from engine.contracts.options.arguments import add_arguments as add_options
from engine.contracts.options.arguments import from_namespace
from engine.contracts.stages import STAGES


def add_arguments(stage: str, parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the launch and the options of the stage."""
    run_options = parser.add_argument_group("the run")
    run_options.add_argument("--name", help=f"name the run; a number is appended if it is in use (default: {stage})")
    run_options.add_argument("-d", "--detach", action="store_true", help="return at once instead of showing its log")
    add_priority(run_options)
    add_schedule(run_options)
    add_engine_python(run_options)
    add_slurm(parser)
    add_options(parser, STAGES[stage].options)
    yolov7_flags.add_arguments(stage, parser)


def call(stage: str, arguments: argparse.Namespace) -> int:
    """Launch a stage; unless `--detach`, show its log and return its exit code."""
    from app.cli.follow import follow_run
    from app.launching.launch import launch_stage
    from app.workspace.open import open_workspace

    options = from_namespace(STAGES[stage].options, arguments)
    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    yolov7_flags.report_ignored(stage, arguments)
    slurm = requested_slurm(arguments)
    spec = launch_stage(
        workspace,
        stage,
        options,
        name=arguments.name,
        priority=arguments.priority,
        slurm=slurm,
        engine_python=arguments.engine_python,
        schedule=chosen_schedule(arguments),
    )
    follow_up(workspace)
    if arguments.detach:
        print_launched(spec)
        return 0
    say(f"{spec.name} is run {spec.id} in {workspace.run(spec.id).path}; Ctrl-C detaches")
    return follow_run(workspace, spec.id, spec.name)
