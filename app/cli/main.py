"""The `yoloqat` command: finds the subcommand, loads only that one, and turns errors into messages."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from app.cli.output import say
from engine.contracts.errors import YoloqatError
from engine.contracts.stage_summaries import STAGE_SUMMARIES

COMMANDS = {
    "run": "launch any command, detached and watched",
    "pipeline": "launch a pipeline: runs that hand files to one another",
    "pipelines": "list the pipelines and their inputs",
    "demo": "the whole chain on drawn shapes, in a few minutes on a CPU",
    "ls": "list the runs",
    "show": "everything about one run",
    "compare": "metrics and options of runs side by side",
    "log": "the console log of a run",
    "queue": "what waits and why, and who has the GPUs and the CPU lane",
    "hold": "keep a run that waits from starting",
    "release": "let a held run take its turn",
    "move": "change the order of what waits",
    "cancel": "take a run that waits out of the queue",
    "stop": "stop a run: SIGINT, SIGTERM, SIGKILL",
    "pause": "end a run at a checkpoint and put it back into the queue, held",
    "resume": "start the next attempt of a run, from its last checkpoint",
    "rename": "give a run another name",
    "tag": "add and remove tags of a run",
    "note": "write or print the note of a run",
    "archive": "take runs out of the list, or put them back",
    "delete": "move runs into the trash",
    "undelete": "take runs out of the trash",
    "trash": "what has been deleted; --empty deletes it for good",
    "import": "bring logs, folders of runs and trees of both in as finished runs",
    "watch": "follow a growing log of a program that was not started here, as a live run",
    "attach": "find the log of a process that was not started here, and follow it",
    "reindex": "rebuild the database from the run folders",
    "doctor": "what on this machine would kill runs or lose data, and what to do",
}
"""Subcommands besides the stages, and the line of `--help`; each is a module of this folder."""

_MODULES = {
    "import": "import_logs",
    "ls": "list_runs",
    "compare": "compare_runs",
    "hold": "queue_hold",
    "release": "queue_release",
    "move": "queue_move",
    "cancel": "queue_cancel",
}
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


class CommandParser(argparse.ArgumentParser):
    """A parser whose arguments are made when it is used, so that a command loads nothing for the others."""

    fill: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the arguments, then parse."""
        if self.fill is not None:
            fill, self.fill = self.fill, None
            fill(self)
        return super().parse_known_args(args, namespace)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `yoloqat`, with every subcommand."""
    parser = argparse.ArgumentParser(
        prog="yoloqat",
        description="Put YOLOv7 on INT8 hardware: retrain, calibrate, fine-tune, export, evaluate. "
        "Runs outlive the terminal.",
        epilog="RUN is a name, an id, or the beginning of an id. `yoloqat COMMAND --help` tells the options of one.",
    )
    _add_workspace(parser, default=None)
    commands = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True, parser_class=CommandParser)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=_sentence(summary))
        command.fill = partial(_fill, _MODULES.get(name, name))
    for name, summary in STAGE_SUMMARIES.items():
        command = commands.add_parser(name, help=summary, description=_sentence(summary))
        command.fill = partial(_fill_stage, name)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 2 for bad input, with a message and no traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except YoloqatError as error:
        say(f"yoloqat: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read has gone. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:
        from db.space import failure_of_the_file

        failure = failure_of_the_file(error)
        if failure is None or isinstance(failure, OSError):
            raise
        # The disk is full, another process holds the database, or a permission fails: nothing of ours to trace.
        hint = "Free some disk space, or try again in a minute; `yoloqat doctor` looks at disk and database."
        say(f"yoloqat: {YoloqatError(f'the database cannot be used: {failure}', hint=hint)}")
        return YoloqatError.exit_code


def _run(argv: list[str]) -> int:
    ours, rest = _split(argv)
    arguments = build_parser().parse_args(ours)
    arguments.rest = rest
    if rest is not None and arguments.subcommand != "run":
        raise YoloqatError("only `yoloqat run` takes a command after `--`", where=f"yoloqat {arguments.subcommand}")
    code: int = arguments.call(arguments)
    return code


def _split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """Our arguments, and those after the first `--`."""
    if "--" not in argv:
        return argv, None
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def _fill(module_name: str, parser: argparse.ArgumentParser) -> None:
    module: ModuleType = importlib.import_module(f"app.cli.{module_name}")
    _add_workspace(parser, default=argparse.SUPPRESS)
    module.add_arguments(parser)
    parser.set_defaults(call=module.call)


def _fill_stage(stage: str, parser: argparse.ArgumentParser) -> None:
    from app.cli import stage as module

    _add_workspace(parser, default=argparse.SUPPRESS)
    module.add_arguments(stage, parser)
    parser.set_defaults(call=partial(module.call, stage))


def _add_workspace(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--workspace",
        metavar="DIR",
        default=default,
        help="folder of runs and database (default: YOLOQAT_WORKSPACE, else one per user)",
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    sys.exit(main())
