"""`yoloqat run -- CMD…`"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from app.cli.executor import add_slurm, requested_slurm
from app.cli.output import say, say_workspace
from app.cli.schedule import add_schedule, chosen_schedule
from app.workspace.machine import is_first_process
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "yoloqat run [OPTION ...] -- COMMAND [ARGUMENT ...]"
    parser.add_argument("--name", help="name the run; a number is appended if it is in use (default: the script)")
    parser.add_argument("--cwd", metavar="DIR", help="run the command in this folder (default: the current one)")
    parser.add_argument("-f", "--follow", action="store_true", help="show its log until it ends; Ctrl-C detaches")
    parser.add_argument(
        "--from-file", metavar="FILE", help="launch every line of a file; `-` for stdin, `#` begins a comment"
    )
    resource_options = parser.add_argument_group("exclusive resources, which the run waits for (default: none)")
    resource_options.add_argument(
        "--gpu",
        metavar="N|any",
        help="lease GPU N, as nvidia-smi numbers it; a list: 0,1; or a MIG instance by its UUID",
    )
    resource_options.add_argument("--gpus", metavar="COUNT", type=int, help="lease this many GPUs, whichever are free")
    resource_options.add_argument(
        "--anyway",
        action="store_true",
        help="launch although --device of the command names another GPU than the lease",
    )
    resource_options.add_argument(
        "--gpu-memory", metavar="GB", type=float, help="share the GPU with other runs that declare their memory"
    )
    resource_options.add_argument("--cpu-lane", action="store_true", help="lease the CPU lane, as stages on the CPU do")
    add_priority(resource_options)
    add_schedule(parser.add_argument_group("time and retries"))
    parser.add_argument(
        "--torchrun",
        metavar="N",
        type=_process_count,
        help="run `python SCRIPT …` as N processes under torchrun, on every node of a Slurm job",
    )
    add_slurm(parser)


def call(arguments: argparse.Namespace) -> int:
    """Launch a command."""
    from app.cli.follow import follow_run
    from app.launching.commands_file import Command, read_commands
    from app.launching.launch import resolve_command
    from app.launching.launch_many import launch_commands
    from app.workspace.open import open_workspace
    from engine.supervise.device_option import reconcile_devices
    from engine.supervise.resources import requested_resources

    _require_one_source(arguments)
    slurm = requested_slurm(arguments)
    if slurm is not None and (arguments.gpu or arguments.gpus or arguments.gpu_memory or arguments.cpu_lane):
        raise YoloqatError(
            "--gpu, --gpus, --gpu-memory and --cpu-lane apply to this machine only",
            where="--executor slurm",
            hint="Ask Slurm for GPUs with --slurm gpus=1.",
        )
    resources = requested_resources(
        gpu=arguments.gpu, gpus=arguments.gpus, memory_gb=arguments.gpu_memory, cpu_lane=arguments.cpu_lane
    )
    cwd = Path(arguments.cwd).expanduser() if arguments.cwd else None

    def prepare(argv: list[str]) -> Command:
        return Command(argv, reconcile_devices(resources, argv, anyway=arguments.anyway))

    def check(argv: list[str]) -> Command:
        resolve_command(argv, cwd, arguments.torchrun, slurm)
        return prepare(argv)

    commands = read_commands(arguments.from_file, check) if arguments.from_file else [prepare(arguments.rest)]
    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    specs = launch_commands(
        workspace,
        commands,
        name=arguments.name,
        cwd=cwd,
        priority=arguments.priority,
        slurm=slurm,
        torchrun=arguments.torchrun,
        schedule=chosen_schedule(arguments),
    )
    follow_up(workspace)
    if arguments.from_file:
        _print_all_launched(specs)
        return 0
    [spec] = specs
    if arguments.follow:
        say(f"{spec.name} is run {spec.id}; Ctrl-C detaches")
        return follow_run(workspace, spec.id, spec.name)
    print_launched(spec)
    return 0


def _require_one_source(arguments: argparse.Namespace) -> None:
    """Require a command after `--`, or a file of them.

    Raises:
        YoloqatError: there is neither, or both, or the output of several runs is to be followed.
    """
    if arguments.from_file and arguments.rest:
        raise YoloqatError("give a command after `--` or --from-file, not both", where="--from-file")
    if arguments.from_file and arguments.follow:
        raise YoloqatError("-f follows a single run", where="--from-file", hint="`yoloqat log -f RUN` follows one.")
    if not (arguments.from_file or arguments.rest):
        raise YoloqatError(
            "there is no command to run", hint="Write it after `--`: yoloqat run --name relu -- python train.py …"
        )


def add_priority(parser: argparse._ActionsContainer) -> None:
    """Declare `--priority`."""
    parser.add_argument(
        "--priority", metavar="N", type=_priority, default=0, help="start runs of higher priority first (default: 0)"
    )


def _priority(text: str) -> int:
    number = int(text)
    if not -999 <= number <= 999:
        raise argparse.ArgumentTypeError("must be between -999 and 999")
    return number


def _process_count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def print_launched(spec: RunSpec) -> None:
    """Print id and name on stdout, for scripts; on stderr the commands to follow and stop the run."""
    print(f"{spec.id} {spec.name}", flush=True)
    say(f"launched; `yoloqat log -f {spec.name}` follows it, `yoloqat stop {spec.name}` stops it")
    if is_first_process():
        say("yoloqat is process 1 of this container, so the run ends with this command: use `run -f`, which stays")


def _print_all_launched(specs: Sequence[RunSpec]) -> None:
    for spec in specs:
        print(f"{spec.id} {spec.name}", flush=True)
    say(f"{len(specs)} runs launched; `yoloqat ls` shows them, `yoloqat queue` what waits")


def follow_up(workspace: Workspace) -> None:
    """Restart the runners of queued runs that lost theirs, and start the indexer.

    The launched run needs neither, so a failure of the indexer is only reported.
    """
    from app.indexing.freshness import start_indexer
    from app.launching.requeue import requeue

    requeue(workspace)
    try:
        start_indexer(workspace)
    except YoloqatError as error:
        say(f"yoloqat: the run is launched, but its log is not indexed: {error}")
