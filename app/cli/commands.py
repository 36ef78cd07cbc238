"""The table of subcommands: group, name, line of `--help`, file.

`main` loads only the file of the one that is typed.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class CommandParser(argparse.ArgumentParser):
    """A parser whose arguments are made when it is used, so that a command loads nothing for the others."""

    fill: Callable[[argparse.ArgumentParser], None] | None = None

    def add_own_arguments(self) -> None:
        """Load the command's file and add its arguments, once."""
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the arguments, then parse."""
        self.add_own_arguments()
        return super().parse_known_args(args, namespace)


class Handlers(NamedTuple):
    """What a file of this folder has for one subcommand."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    call: Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand."""

    name: str
    summary: str
    """The line of `--help`."""
    module: str = ""
    """The file of this folder where it is not called as the subcommand. A file with several of them has `COMMANDS`."""


STAGES_TITLE = "Stages"
"""The group of our own stages, which `engine.contracts.stages` lists."""

GROUPS: Mapping[str, tuple[Command, ...]] = {
    "Launch": (
        Command("run", "launch any command, detached and watched"),
        Command("pipeline", "launch a pipeline: runs that hand files to one another"),
        Command("pipelines", "list the pipelines and their inputs", "pipeline"),
        Command("demo", "the whole chain on drawn shapes, in a few minutes on a CPU"),
    ),
    STAGES_TITLE: (),
    "Watch and import": (
        Command("watch", "follow the growing log of another program as a live run"),
        Command("attach", "find the log of a process that runs already, and follow it", "watch"),
        Command("import", "bring in logs, folders of runs and trees of both", "import_logs"),
    ),
    "Look": (
        Command("ls", "list the runs", "list_runs"),
        Command("show", "everything about one run"),
        Command("compare", "metrics and options of runs side by side", "compare_runs"),
        Command("log", "the console log of a run"),
    ),
    "Stop and resume": (
        Command("stop", "stop a run: SIGINT, SIGTERM, SIGKILL"),
        Command("pause", "end a run at a checkpoint and queue it again, held", "stop"),
        Command("resume", "start the next attempt of a run, from its last checkpoint"),
    ),
    "Queue": (
        Command("queue", "what waits and why, and who has the GPUs and the CPU lane"),
        Command("hold", "keep a run that waits from starting", "queue"),
        Command("release", "let a held run take its turn", "queue"),
        Command("move", "change the order of what waits", "queue"),
        Command("cancel", "take a run that waits out of the queue", "queue"),
    ),
    "Organize": (
        Command("rename", "give a run another name", "organize"),
        Command("tag", "add and remove tags of a run", "organize"),
        Command("note", "write or print the note of a run", "organize"),
        Command("archive", "take runs out of the list, or put them back", "organize"),
        Command("delete", "move runs into the trash", "organize"),
        Command("undelete", "take runs out of the trash", "organize"),
        Command("trash", "what has been deleted; --empty deletes it for good", "organize"),
    ),
    "Workspace": (
        Command("doctor", "what on this machine would kill runs or lose data"),
        Command("du", "what takes the space of the workspace", "disk_space"),
        Command("prune", "delete what is not needed: old last.pt, caches, the trash", "disk_space"),
        Command("reindex", "rebuild the database from the run folders"),
        Command("completion", "print what makes a shell complete this command"),
    ),
}
