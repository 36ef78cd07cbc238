"""A file of commands, one a line: read and checked as a whole before anything is launched."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.contracts.spec import Resources
from engine.files.safe_open import YAML_BYTES, read_regular

STDIN = "-"


@dataclass(frozen=True)
class Command:
    """A command that a launch has been checked for."""

    argv: Sequence[str]
    resources: Resources


def read_commands(path: str, check: Callable[[list[str]], Command]) -> list[Command]:
    """Read the commands of a file, in its order. Blank lines and comments are passed over.

    Args:
        path: `-` for stdin.
        check: makes the command of a line's words, or raises YoloqatError.

    Raises:
        YoloqatError: the file cannot be read or holds no command, or lines of it are wrong; each is named.
    """
    commands: list[Command] = []
    mistakes: list[tuple[int, str]] = []
    for number, line in enumerate(_read(path).split("\n"), 1):
        try:
            words = shlex.split(line, comments=True)
            if words:
                commands.append(check(words))
        except ValueError as error:
            mistakes.append((number, str(error).lower()))
        except YoloqatError as error:
            mistakes.append((number, error.what))
    if mistakes:
        raise _mistakes_error(path, mistakes)
    if not commands:
        raise YoloqatError("there is no command in the file", where=path, hint="Write one command a line.")
    return commands


def _read(path: str) -> str:
    try:
        if path == STDIN:
            return sys.stdin.read(YAML_BYTES)
        return read_regular(Path(path).expanduser(), YAML_BYTES, follow=True).decode()
    except OSError as error:
        raise YoloqatError(f"cannot read the commands: {error.strerror or error}", where=path) from error
    except UnicodeDecodeError as error:
        raise YoloqatError("the file of commands is not UTF-8 text", where=path) from error


def _mistakes_error(path: str, mistakes: Sequence[tuple[int, str]]) -> YoloqatError:
    hint = "Nothing was launched."
    if len(mistakes) == 1:
        [(number, text)] = mistakes
        return YoloqatError(text, where=f"{path}:{number}", hint=hint)
    lines = [f"{len(mistakes)} lines cannot be launched", *(f"{path}:{number}: {text}" for number, text in mistakes)]
    return YoloqatError("\n  ".join(lines), where=path, hint=hint)
