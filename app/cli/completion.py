"""`yoloqat completion SHELL`, and the completions that it makes a shell ask for, read from run folders alone.

A shell completes by running `yoloqat` with argcomplete's variable in the environment. That must be quick, print nothing
but completions, and neither create files nor start processes.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from typing import cast

import argcomplete
from argcomplete.completers import FilesCompleter
from argcomplete.shell_integration import shellcode

from app.cli.commands import CommandParser
from app.workspace.open import locate_workspace
from app.workspace.run_names import run_names
from engine.contracts.run_folder import Workspace

SHELLS = ("bash", "zsh", "fish")
_ONE_RUN = ("show", "log", "note", "rename", "tag", "pause")
"""Commands that take one run and no group of them."""

Completer = Callable[..., Iterable[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "Put one of these lines into the file that the shell reads when it starts:\n"
        '  ~/.bashrc                   eval "$(yoloqat completion bash)"\n'
        '  ~/.zshrc, after compinit    eval "$(yoloqat completion zsh)"\n'
        "  ~/.config/fish/config.fish  yoloqat completion fish | source"
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell to print the script for")


def call(arguments: argparse.Namespace) -> int:
    """Print the completion script of the shell."""
    print(shellcode(["yoloqat"], shell=arguments.shell).strip())
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Print the completions for the shell, and exit the process."""
    try:
        _add_completers(parser, os.environ["COMP_LINE"].split())
        argcomplete.autocomplete(parser, always_complete_options=False)
    except Exception:  # a traceback must not appear in a command line that is being typed
        os._exit(1)


def _add_completers(parser: argparse.ArgumentParser, line: list[str]) -> None:
    """Declare the arguments of the commands that the line may name: argcomplete needs them before it parses."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for name in dict.fromkeys(word for word in line if word in action.choices):
            subparser = cast(CommandParser, action.choices[name])
            subparser.add_own_arguments()
            for argument in subparser._actions:
                completer = _completer(name, argument)
                if completer is not None:
                    argument.completer = completer  # type: ignore[attr-defined]  # argcomplete's interface


def _completer(command: str, argument: argparse.Action) -> Completer | None:
    """Return the completer of an argument, by its metavar; None for argcomplete's own: choices, else files."""
    if argument.metavar == "RUN":
        return _complete_deleted if command == "undelete" else _complete_runs
    if argument.metavar == "TAG":
        return _complete_tags
    if argument.metavar == "NAME|FILE":
        return _complete_pipelines
    if argument.dest in ("name", "text") or argument.type is not None:
        return _complete_nothing
    return None


def _complete_runs(parsed_args: argparse.Namespace, action: argparse.Action, **_: object) -> list[str]:
    """Return names of runs, newest first, then those of groups where the argument accepts groups."""
    runs = run_names(_workspace(parsed_args))[::-1]
    takes_groups = not action.option_strings and parsed_args.subcommand not in _ONE_RUN
    groups = (run.group for run in runs if run.group and takes_groups)
    return _printable_names(run.name for run in runs) + _printable_names(groups)


def _complete_deleted(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    from app.runs.trash import trashed_runs

    return _printable_names(run.name for run in trashed_runs(_workspace(parsed_args)))


def _complete_tags(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    from app.workspace.user_file import read_user, user_tags

    folders = _workspace(parsed_args).run_folders()
    return sorted(_printable_names(tag for folder in folders for tag in user_tags(read_user(folder))))


def _complete_pipelines(prefix: str, **_: object) -> list[str]:
    from app.launching.pipelines import CONFIGS

    own_pipelines = [path.stem for path in sorted((CONFIGS / "pipelines").glob("*.yaml"))]
    return [*own_pipelines, *FilesCompleter(("yaml", "yml"))(prefix)]


def _complete_nothing(**_: object) -> list[str]:
    return []


def _workspace(arguments: argparse.Namespace) -> Workspace:
    return locate_workspace(getattr(arguments, "workspace", None))


def _printable_names(names: Iterable[str]) -> list[str]:
    """Return each printable name once: a shell shows them, and foreign names may hold control sequences."""
    return list(dict.fromkeys(name for name in names if name.isprintable()))
