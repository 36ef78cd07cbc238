"""`yoloqat run -- CMD…`"""

import argparse
from pathlib import Path

from app.cli.output import say, say_workspace
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.spec import RunSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = "yoloqat run [--workspace DIR] [--name NAME] [--cwd DIR] [-f] -- COMMAND [ARGUMENT ...]"
    parser.add_argument("--name", help="what to call the run; a taken name is counted up (default: the script's)")
    parser.add_argument("--cwd", metavar="DIR", help="working directory of the command (default: this one)")
    parser.add_argument("-f", "--follow", action="store_true", help="show its output until it ends; Ctrl-C detaches")


def call(arguments: argparse.Namespace) -> int:
    """Launch any command."""
    from app.cli.follow import follow_run
    from app.services.launch import launch_command
    from app.services.workspace import resolve_workspace

    if not arguments.rest:
        raise YoloqatError(
            "there is no command to run", hint="Write it after `--`: yoloqat run --name relu -- python train.py …"
        )
    workspace = resolve_workspace(arguments.workspace)
    say_workspace(workspace)
    cwd = Path(arguments.cwd).expanduser() if arguments.cwd else None
    spec = launch_command(workspace, arguments.rest, name=arguments.name, cwd=cwd)
    index(workspace)
    if arguments.follow:
        say(f"{spec.name} is run {spec.id}; Ctrl-C detaches")
        return follow_run(workspace, spec.id, spec.name)
    tell_launched(spec)
    return 0


def tell_launched(spec: RunSpec) -> None:
    """Id and name on stdout, for scripts; on stderr how to go on."""
    print(f"{spec.id} {spec.name}", flush=True)
    say(f"launched; `yoloqat log -f {spec.name}` follows it, `yoloqat stop {spec.name}` stops it")


def index(workspace: Workspace) -> None:
    """See to it that the log is read into the database. The run doesn't depend on it, so a failure is only told."""
    from app.services.index import ensure_indexer

    try:
        ensure_indexer(workspace)
    except YoloqatError as error:
        say(f"yoloqat: the run is launched, but its log is not being read into the database: {error}")
