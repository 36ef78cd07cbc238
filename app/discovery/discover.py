"""Finding runs in a tree: a trainer's folders of runs, and files that may be logs."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

OPTIONS = ("opt.yaml", "hyp.yaml", "args.yaml")
RESULTS = ("results.csv", "results.txt")
WEIGHTS = {"best.pt": "best", "last.pt": "last", "best_ckpt.pt": "best", "last_ckpt.pt": "last"}
"""The weights that a trainer leaves in `weights/`, and their roles."""
_EVENT_FILE = "events.out.tfevents."
_SUFFIXES = (".log", ".txt", ".out", ".err", ".csv")
_NAMES = re.compile(
    r"(?:nohup|log|stdout|stderr|console|output)(?:[._-].*)?|.*\.(?:log|out)\.\d+|.*-log|.*\.[oe]\d+", re.IGNORECASE
)
"""Of files without one of the endings: also those that were rotated, and those of PBS and Grid Engine."""
_JSON = ("summary.json", "sensitive-summary.json", ".log.json")
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "labels", "images"})
"""Folders that hold very many files and no logs."""
_DEEPEST = 40


@dataclass
class RunDir:
    """A folder that a trainer has made for a run."""

    path: Path
    options: list[Path] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    weights: list[tuple[str, Path]] = field(default_factory=list)
    """Role and file."""
    events: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    """Files beside them that may be logs."""

    @property
    def is_run(self) -> bool:
        """Hyperparameters alone are a configuration."""
        names = {path.name for path in self.options}
        return bool(self.results or self.weights or self.events or names & {"opt.yaml", "args.yaml"})


@dataclass
class TreeContents:
    """What a tree holds."""

    run_dirs: list[RunDir] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    """Files that may be logs, outside of runs' folders."""
    failures: list[tuple[Path, str]] = field(default_factory=list)
    """What could not be looked at, and why."""
    others: int = 0
    """Files that are none of these."""


def scan_tree(top: Path, *, without: Path | None = None, tell: Callable[[Path], None] | None = None) -> TreeContents:
    """Look through a tree. Hidden files and folders are passed over, links to folders not followed.

    Args:
        without: a folder that is left out.
        tell: called with each folder.
    """
    contents = TreeContents()
    visited_inodes: set[tuple[int, int]] = set()
    waiting = [(top, 0)]
    while waiting:
        folder, depth = waiting.pop()
        if without is not None and folder.resolve() == without.resolve():
            continue
        if tell is not None:
            tell(folder)
        try:
            files, below = _list(folder, contents)
        except OSError as error:
            contents.failures.append((folder, f"cannot be read: {error.strerror or error}"))
            continue
        run = _look_into(folder, files, below, visited_inodes, contents)
        below = [entry for entry in below if not (run.weights and entry.name == "weights")]
        if run.is_run:
            contents.run_dirs.append(run)
        else:
            contents.logs += run.logs
            contents.others += len(run.options)
        if depth >= _DEEPEST:
            contents.failures += [(Path(entry.path), "lies too deep") for entry in below]
            continue
        waiting += [(Path(entry.path), depth + 1) for entry in reversed(below)]
    return contents


def run_dir(folder: Path) -> RunDir | None:
    """What a trainer left in one folder; None where it is no folder of a run."""
    contents = TreeContents()
    try:
        files, below = _list(folder, contents)
    except (OSError, ValueError):
        return None
    run = _look_into(folder, files, below, set(), contents)
    return run if run.is_run else None


def _look_into(
    folder: Path,
    files: list[os.DirEntry[str]],
    below: list[os.DirEntry[str]],
    visited_inodes: set[tuple[int, int]],
    contents: TreeContents,
) -> RunDir:
    run = RunDir(folder)
    for path in _files(files, visited_inodes, contents):
        _sort_in(path, run)
    if any(entry.name == "weights" for entry in below):
        run.weights = list(_weights(folder / "weights"))
    return run


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
    return is_folder and not entry.name.startswith(".") and entry.name not in _PASSED_OVER


def _files(
    entries: list[os.DirEntry[str]], visited_inodes: set[tuple[int, int]], contents: TreeContents
) -> Iterator[Path]:
    """The regular files that may matter by their names, each once, whatever links to it."""
    for entry in entries:
        try:
            if not entry.is_file():
                continue
            status = entry.stat()
        except OSError as error:
            contents.failures.append((Path(entry.path), f"cannot be read: {error.strerror or error}"))
            continue
        if (status.st_dev, status.st_ino) not in visited_inodes:
            visited_inodes.add((status.st_dev, status.st_ino))
            yield Path(entry.path)


def _may_matter(name: str) -> bool:
    """Whether a file of this name may be a log, results or options."""
    is_named = name in OPTIONS or name in RESULTS or name.startswith(_EVENT_FILE)
    return is_named or name.lower().endswith(_SUFFIXES) or name.endswith(_JSON) or bool(_NAMES.fullmatch(name))


def _list(folder: Path, contents: TreeContents) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """The files that may matter and the folders, sorted: of a data set's files, only the number is kept.

    Raises:
        OSError: the folder cannot be read.
    """
    files, folders = [], []
    with os.scandir(folder) as listed:
        for entry in listed:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry)
            elif _may_matter(entry.name):
                files.append(entry)
            elif not entry.is_symlink():
                contents.others += not entry.is_dir()
    key = lambda entry: _natural(entry.name)  # noqa: E731
    return sorted(files, key=key), sorted(folders, key=key)


def _sort_in(path: Path, run: RunDir) -> None:
    name = path.name
    if name in OPTIONS:
        run.options.append(path)
    elif name in RESULTS:
        run.results.append(path)
    elif name.startswith(_EVENT_FILE):
        run.events.append(path)
    else:
        run.logs.append(path)


def _weights(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, role in WEIGHTS.items():
        path = folder / name
        if path.is_file():
            yield role, path


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts exp2 before exp10."""
    parts = re.split(r"(\d{1,15})", name)
    return [(0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part) for part in parts]
