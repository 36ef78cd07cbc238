"""Resume foreign trainers: a command line and a log → the command line that resumes the training."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.files.safe_open import open_regular
from engine.logs.lexer.text import decode

_READ_BYTES = 4 << 20
"""Read from the beginning of the log: trainers print their folder before the first epoch."""
_SCRIPTS = ("train.py", "train_aux.py", "train_dual.py", "train_triple.py")
_RESUMABLE_TRAINERS = "YOLOv5, YOLOv7, YOLOv9, Ultralytics"
_FOLDER = re.compile(r"(?:Logging results to|Results saved to) (?P<folder>\S.*?)\s*$")


@dataclass(frozen=True)
class Resumption:
    """The command line that resumes a training, and its checkpoint."""

    argv: list[str]
    checkpoint: Path


@dataclass(frozen=True)
class _Template:
    """One family of trainers."""

    name: str
    find: Callable[[Sequence[str]], int | None]
    """The position of the argument that names the trainer; None when it is not of this family."""
    resume: Callable[[Sequence[str], int, Path], list[str]]


def resume_command(argv: Sequence[str], cwd: Path, console: Path, *, must_exist: bool = True) -> Resumption:
    """Return the command that resumes a trainer that was stopped.

    Args:
        argv: as it was launched.
        cwd: its working directory, which the folders in its log are relative to.
        console: its log.
        must_exist: whether a checkpoint must exist already.

    Raises:
        YoloqatError: the training cannot be resumed; the error says why.
    """
    template_match = next(((t, at) for t in _TEMPLATES if (at := t.find(argv)) is not None), None)
    if template_match is None:
        raise _cannot(f"this command is not a trainer that can be resumed ({_RESUMABLE_TRAINERS})")
    template, at = template_match
    folder = _results_folder(console)
    if folder is None:
        raise _cannot("its log does not tell its results folder", str(console))
    checkpoint = Path(os.path.normpath(cwd / folder / "weights" / "last.pt"))
    if must_exist and not checkpoint.is_file():
        raise _cannot("it has left no last.pt", str(checkpoint))
    return Resumption(template.resume(argv, at, checkpoint), checkpoint)


def _cannot(why: str, where: str | None = None) -> YoloqatError:
    return YoloqatError(f"cannot resume: {why}", where=where, hint="Launch it again with `yoloqat run`.")


def _results_folder(console: Path) -> str | None:
    """The folder that the trainer printed last, before or after its first epoch."""
    try:
        with open_regular(console) as file:
            head = file.read(_READ_BYTES)
    except OSError:
        return None
    matches = (_FOLDER.search(decode(line)) for line in re.split(rb"[\r\n]+", head))
    folders = [match["folder"] for match in matches if match]
    return folders[-1] if folders else None


def _find_script(argv: Sequence[str]) -> int | None:
    return next((i for i, word in enumerate(argv) if os.path.basename(word) in _SCRIPTS), None)


def _resume_script(argv: Sequence[str], at: int, checkpoint: Path) -> list[str]:
    """Pass the checkpoint alone: the trainer reads all else from the `opt.yaml` beside it."""
    return [*argv[: at + 1], "--resume", str(checkpoint)]


def _find_ultralytics(argv: Sequence[str]) -> int | None:
    if "train" not in argv:
        return None
    return next((i for i, word in enumerate(argv) if os.path.basename(word) in ("yolo", "ultralytics")), None)


def _resume_ultralytics(argv: Sequence[str], at: int, checkpoint: Path) -> list[str]:
    return [*argv[: at + 1], "train", "resume=True", f"model={checkpoint}"]


_TEMPLATES = (
    _Template("YOLOv5, YOLOv7 and YOLOv9", _find_script, _resume_script),
    _Template("Ultralytics", _find_ultralytics, _resume_ultralytics),
)
