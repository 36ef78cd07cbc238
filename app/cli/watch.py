"""`yoloqat watch PATH` and `attach PID`: live runs of foreign programs."""

import argparse
import os
import sys
from pathlib import Path

from app.cli.commands import Handlers
from app.cli.output import print_json, say, say_workspace
from app.importing.watch import Watched
from engine.contracts.run_folder import Workspace


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the growing log of another program")
    _add_common(parser)


def _add_attach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", metavar="PID", type=int, help="a running process of another program")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="name the run; a number is appended if it is in use")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--once", action="store_true", help="watch the log without printing it")
    output.add_argument("--json", action="store_true", help="as --once, but print the run and its state as JSON")


def _watch(arguments: argparse.Namespace) -> int:
    """Watch a log as a live run, and print it until its end or Ctrl-C. The indexer watches it without this process."""
    from app.importing.watch import watch_log
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    watched = watch_log(workspace, Path(arguments.path), name=arguments.name)
    return _show_watched(workspace, watched, once=arguments.once, as_json=arguments.json)


def _attach(arguments: argparse.Namespace) -> int:
    """Find the log of a process, and watch it as a live run that ends with the process."""
    from app.importing.watch import attach
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    watched = attach(workspace, arguments.pid, name=arguments.name)
    return _show_watched(workspace, watched, once=arguments.once, as_json=arguments.json)


def _show_watched(workspace: Workspace, watched: Watched, *, once: bool, as_json: bool) -> int:
    """Print which log is watched, then follow it."""
    from app.launching.stop import run_status

    status = run_status(workspace, watched.run_id)
    if as_json:
        state = {"state": status.state, "reason": status.reason}
        print_json({"schema": 1, "workspace": workspace.path, **vars(watched), **state})
        return 0
    suffix = "" if watched.is_new else " (already watched)"
    summary = f"{watched.name} ({watched.run_id}){suffix}: {status.state.value}"
    print(f"{summary}, {status.reason}" if status.reason else summary, flush=True)
    say(f"log: {watched.log}" + (f" ({watched.dialect})" if watched.dialect else ""))
    if watched.earlier_runs:
        say(f"{watched.earlier_runs} earlier runs are in this file: import them with `yoloqat import`")
    if once or not status.state.is_live:
        return 0
    if _is_stdout(watched.log):
        say("this command's output goes into that log: the log is watched but not printed")
        return 0
    return _follow(workspace, watched)


def _is_stdout(log: Path) -> bool:
    """Whether stdout is the log itself: printing the log would make it grow for ever."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), log.stat())
    except (OSError, ValueError):
        return False


def _follow(workspace: Workspace, watched: Watched) -> int:
    from app.cli.follow import follow_watched

    return follow_watched(workspace, watched.run_id, watched.name)


COMMANDS = {"watch": Handlers(_add_watch, _watch), "attach": Handlers(_add_attach, _attach)}
