"""The `yoloqat` command: import only the module of the subcommand, call it, and print errors as messages."""

import argparse
import contextlib
import importlib
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from app.cli.commands import GROUPS, STAGES_TITLE, Command, CommandParser, Handlers
from app.cli.output import say
from app.workspace.machine import deleted_working_directory, has_working_directory, missing_module, require_proc
from engine.console.clean_stream import CleanStream
from engine.contracts.errors import YoloqatError
from engine.contracts.stage_summaries import STAGE_SUMMARIES
from engine.files.standard_streams import open_closed_streams

_NAME_CELLS = 13
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
WITHOUT_PROC = ("doctor", "log", "notify", "workspace")
"""Commands that look at no process."""
COMPLETING = "_ARGCOMPLETE"
"""The environment variable with which a shell requests completions."""


class PrintVersion(argparse.Action):
    """`--version`; the version is looked up only when it is printed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the version and exit."""
        from app.cli.version import version

        print(f"yoloqat {version()}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of `yoloqat` with every subcommand."""
    parser = argparse.ArgumentParser(
        prog="yoloqat",
        usage="yoloqat [-h] [--version] [--workspace DIR] COMMAND ...",
        description=_wrap(
            "Put YOLOv7 on INT8 hardware: retrain, calibrate, fine-tune, export, evaluate. Runs outlive the terminal."
        ),
        epilog=f"{_command_list()}\n\n"
        + _wrap("RUN is a name, an id, or the beginning of an id. `yoloqat COMMAND --help` lists its options."),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=PrintVersion, nargs=0, help="print the version and exit")
    _add_workspace(parser, default=None)
    # argparse cannot group subcommands: it lists none, and the epilog has the groups.
    subparsers = parser.add_subparsers(
        prog="yoloqat",
        dest="subcommand",
        metavar="COMMAND",
        required=True,
        parser_class=CommandParser,
        help=argparse.SUPPRESS,
    )
    for command in (command for commands in GROUPS.values() for command in commands):
        subparser = subparsers.add_parser(command.name, help=command.summary, description=_sentence(command.summary))
        subparser.fill = partial(_fill, command)
    for name, summary in STAGE_SUMMARIES.items():
        subparser = subparsers.add_parser(name, help=summary, description=_sentence(summary))
        subparser.fill = partial(_fill_stage, name)
    return parser


def _command_list() -> str:
    """Format the subcommands by group, a line each."""
    blocks = []
    for title, commands in GROUPS.items():
        entries = [(command.name, command.summary) for command in commands]
        if title == STAGES_TITLE:
            entries = [(name, f"{summary[0].lower()}{summary[1:]}") for name, summary in STAGE_SUMMARIES.items()]
        lines = [f"  {name:<{_NAME_CELLS}}{summary}" for name, summary in entries]
        blocks.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join(blocks)


def _wrap(text: str) -> str:
    # the width that argparse itself uses
    return textwrap.fill(text, shutil.get_terminal_size().columns - 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 2 for bad input, with a message and no traceback."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    with clean_output():
        return _run_safely(argv)


@contextlib.contextmanager
def clean_output() -> Iterator[None]:
    """Let no escape sequence of a name, a record or an error reach the terminal, whoever prints it."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = CleanStream(out), CleanStream(err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def _run_safely(argv: Sequence[str] | None) -> int:
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except YoloqatError as error:
        say(f"yoloqat: {error}")
        if not has_working_directory():  # paths on the command line begin there
            say(f"yoloqat: {deleted_working_directory()}")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has gone. Python would report the error again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except ModuleNotFoundError as error:
        failure_text = missing_module(error)
        if failure_text is None:
            raise
        say(f"yoloqat: {failure_text}")
        return YoloqatError.exit_code
    except Exception as error:
        if isinstance(error, FileNotFoundError) and not has_working_directory():
            say(f"yoloqat: {deleted_working_directory()}")
            return YoloqatError.exit_code
        from db.space import failure_of_the_file

        failure = failure_of_the_file(error)
        if failure is None or isinstance(failure, OSError):
            raise
        # The disk is full, the database is locked or access is denied: a traceback would help nobody.
        hint = "Free some disk space, or try again in a minute; `yoloqat doctor` checks disk and database."
        say(f"yoloqat: {YoloqatError(f'cannot use the database: {failure}', hint=hint)}")
        return YoloqatError.exit_code


def _run(argv: list[str]) -> int:
    own_arguments, rest = _split(argv)
    parser = build_parser()
    if COMPLETING in os.environ:
        from app.cli.completion import complete

        complete(parser)
    arguments = parser.parse_args(own_arguments)
    arguments.rest = rest
    if rest is not None and arguments.subcommand != "run":
        raise YoloqatError("only `yoloqat run` takes a command after `--`", where=f"yoloqat {arguments.subcommand}")
    if arguments.subcommand not in WITHOUT_PROC:
        require_proc()
    code: int = arguments.call(arguments)
    return code


def _split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """Split into our arguments and those after the first `--`, None when there is no `--`."""
    if "--" not in argv:
        return argv, None
    separator = argv.index("--")
    return argv[:separator], argv[separator + 1 :]


def _fill(command: Command, parser: argparse.ArgumentParser) -> None:
    module = importlib.import_module(f"app.cli.{command.module or command.name}")
    # A module of one command has the functions `add_arguments` and `call`; one of several has a table `COMMANDS`.
    handlers_of: Mapping[str, Handlers] | None = getattr(module, "COMMANDS", None)
    handlers = Handlers(module.add_arguments, module.call) if handlers_of is None else handlers_of[command.name]
    _add_workspace(parser, default=argparse.SUPPRESS)
    handlers.add_arguments(parser)
    parser.set_defaults(call=handlers.call)


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
        help="use this workspace (default: $YOLOQAT_WORKSPACE, else one per user)",
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    sys.exit(main())
