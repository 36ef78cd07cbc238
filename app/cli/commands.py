"""The table of subcommands: group, name, line of `--help`, module.

`main` imports only the module of the subcommand on the command line.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class CommandParser(argparse.ArgumentParser):
    """A parser that declares its arguments on first use, so that a command does not import the others."""

    fill: Callable[[argparse.ArgumentParser], None] | None = None

    def add_own_arguments(self) -> None:
        """Import the command's module and declare its arguments, once."""
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Declare the arguments, then parse."""
        self.add_own_arguments()
        return super().parse_known_args(args, namespace)


class Handlers(NamedTuple):
    """The two functions of a subcommand."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    call: Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand."""

    name: str
    summary: str
    """The line of `--help`."""
    module: str = ""
    """The module in this folder, where its name differs. One with several subcommands has a table `COMMANDS`."""


STAGES_TITLE = "Stages"
"""The group of our own stages, which `engine.contracts.stages` lists."""

GROUPS: Mapping[str, tuple[Command, ...]] = {
    "Launch": (
        Command("run", "launch any command, detached"),
        Command("pipeline", "launch a pipeline of runs that pass files on"),
        Command("pipelines", "list the pipelines and their inputs", "pipeline"),
        Command("demo", "run the whole chain on synthetic shapes, in minutes on a CPU"),
    ),
    STAGES_TITLE: (),
    "Watch and import": (
        Command("watch", "watch the growing log of another program as a live run"),
        Command("attach", "find the log of a running process, and watch it", "watch"),
        Command("import", "import logs, run folders and folders of them", "import_logs"),
    ),
    "Look": (
        Command("ls", "list the runs", "list_runs"),
        Command("show", "show everything about one run"),
        Command("compare", "compare metrics and options of runs", "compare_runs"),
        Command("log", "print the log of a run"),
    ),
    "Stop and resume": (
        Command("stop", "stop a run: SIGINT, SIGTERM, SIGKILL"),
        Command("pause", "end a run at a checkpoint and queue it again, held", "stop"),
        Command("resume", "start the next attempt of a run, from its last checkpoint"),
    ),
    "Queue": (
        Command("queue", "list queued runs with reasons, and leases of GPUs and CPU lane"),
        Command("hold", "keep a queued run from starting", "queue"),
        Command("release", "let a held run take its turn", "queue"),
        Command("move", "change the order of the queue", "queue"),
        Command("cancel", "take a run out of the queue", "queue"),
    ),
    "Organize": (
        Command("rename", "give a run another name", "organize"),
        Command("tag", "add, remove or list tags of a run", "organize"),
        Command("note", "write or print the note of a run", "organize"),
        Command("archive", "hide runs from the list, or show them again", "organize"),
        Command("delete", "move runs into the trash", "organize"),
        Command("undelete", "restore runs from the trash", "organize"),
        Command("trash", "list deleted runs; --empty deletes them for good", "organize"),
    ),
    "Workspace": (
        Command("doctor", "check for what would kill runs or lose data"),
        Command("du", "show what takes the space of the workspace", "disk_space"),
        Command("prune", "delete what is not needed: old last.pt, caches, the trash", "disk_space"),
        Command("workspace", "make a workspace, forget one, or list them"),
        Command("reindex", "rebuild the database from the run folders"),
        Command("notify", "send a test notification"),
        Command("completion", "print the completion script for a shell"),
    ),
}
