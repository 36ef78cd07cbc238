"""`yoloqat watch PATH` and `attach PID`: live runs of programs that were not started here."""

import argparse
import os
import sys
from pathlib import Path

from app.cli.commands import Handlers
from app.cli.output import print_json, say, say_workspace
from app.importing.watch import Watched
from engine.contracts.run_folder import Workspace


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="the log of a program that was not started here, as it grows")
    _add_common(parser)


def _add_attach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", metavar="PID", type=int, help="a process that was not started here")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", help="what to call the run; a taken name is counted up")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="don't print the log; the run is followed all the same")
    how.add_argument("--json", action="store_true", help="as --once, with the run and its state as JSON")


def _watch(arguments: argparse.Namespace) -> int:
    """Make a live run of a log, and print the log until its end or Ctrl-C. The run is followed without this, too."""
    from app.importing.watch import watch_log
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    watched = watch_log(workspace, Path(arguments.path), name=arguments.name)
    return _show_watched(workspace, watched, once=arguments.once, as_json=arguments.json)


def _attach(arguments: argparse.Namespace) -> int:
    """Find the log of a process, and make a live run of it; the run ends when the process does."""
    from app.importing.watch import attach
    from app.workspace.open import open_workspace

    workspace = open_workspace(arguments.workspace)
    say_workspace(workspace)
    watched = attach(workspace, arguments.pid, name=arguments.name)
    return _show_watched(workspace, watched, once=arguments.once, as_json=arguments.json)


def _show_watched(workspace: Workspace, watched: Watched, *, once: bool, as_json: bool) -> int:
    """Tell what is followed, and follow it."""
    from app.launching.stop import run_status

    status = run_status(workspace, watched.run_id)
    if as_json:
        state = {"state": status.state, "reason": status.reason}
        print_json({"schema": 1, "workspace": workspace.path, **vars(watched), **state})
        return 0
    known_suffix = "" if watched.is_new else " (known)"
    summary = f"{watched.name} ({watched.run_id}){known_suffix}: {status.state.value}"
    print(f"{summary}, {status.reason}" if status.reason else summary, flush=True)
    say(f"log: {watched.log}" + (f" ({watched.dialect})" if watched.dialect else ""))
    if watched.earlier_runs:
        say(f"{watched.earlier_runs} runs stand before it in this file: `yoloqat import` brings them in")
    if once or not status.state.is_live:
        return 0
    if _prints_into(watched.log):
        say("this command prints into that log: it is followed, and not printed")
        return 0
    return _follow(workspace, watched)


def _prints_into(log: Path) -> bool:
    """Whether what is printed here is written into the log, which would then never end to grow."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), log.stat())
    except (OSError, ValueError):
        return False


def _follow(workspace: Workspace, watched: Watched) -> int:
    from app.cli.follow import follow_watched

    return follow_watched(workspace, watched.run_id, watched.name)


COMMANDS = {"watch": Handlers(_add_watch, _watch), "attach": Handlers(_add_attach, _attach)}
