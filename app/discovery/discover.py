"""Find runs in a tree: the run folders of trainers, and files that may be logs."""

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
_LOG_SUFFIXES = (".log", ".txt", ".out", ".err", ".csv", ".md", ".ipynb", ".cast")
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst")
"""Behind the suffix of a log."""
_LOG_NAMES = re.compile(
    r"(?:nohup|log|stdout|stderr|console|output)(?:[._-].*)?|.*\.(?:log|out)\.\d+|.*-log|.*\.[oe]\d+", re.IGNORECASE
)
"""Names of logs without one of the suffixes: rotated ones, and those of PBS and Grid Engine."""
_JSON_LOGS = ("summary.json", "sensitive-summary.json", ".log.json")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "labels", "images"})
"""Folders that hold very many files and no logs."""
_MAX_DEPTH = 40


@dataclass
class RunDir:
    """A folder that a trainer has created for a run."""

    path: Path
    options: list[Path] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    weights: list[tuple[str, Path]] = field(default_factory=list)
    """Role and file."""
    events: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    """Other files that may be logs."""

    @property
    def is_run(self) -> bool:
        """Whether the folder belongs to a run; `hyp.yaml` alone is a configuration."""
        names = {path.name for path in self.options}
        return bool(self.results or self.weights or self.events or names & {"opt.yaml", "args.yaml"})


@dataclass
class TreeContents:
    """The contents of a tree."""

    run_dirs: list[RunDir] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    """Files outside of run folders that may be logs."""
    failures: list[tuple[Path, str]] = field(default_factory=list)
    """Paths that could not be read, and why."""
    others: int = 0
    """The number of all other files."""


def scan_tree(
    top: Path, *, without: Path | None = None, report_path: Callable[[Path], None] | None = None
) -> TreeContents:
    """Search a tree. Skips hidden files and folders, and links to folders.

    Args:
        without: a folder to skip.
        report_path: called with each folder before it is read.
    """
    contents = TreeContents()
    visited_inodes: set[tuple[int, int]] = set()
    pending = [(top, 0)]
    while pending:
        folder, depth = pending.pop()
        if without is not None and folder.resolve() == without.resolve():
            continue
        if report_path is not None:
            report_path(folder)
        try:
            files, subfolders = _list(folder, contents)
        except OSError as error:
            contents.failures.append((folder, f"cannot be read: {error.strerror or error}"))
            continue
        run = _read_run_dir(folder, files, subfolders, visited_inodes, contents)
        subfolders = [entry for entry in subfolders if not (run.weights and entry.name == "weights")]
        if run.is_run:
            contents.run_dirs.append(run)
        else:
            contents.logs += run.logs
            contents.others += len(run.options)
        if depth >= _MAX_DEPTH:
            contents.failures += [(Path(entry.path), "nested too deeply") for entry in subfolders]
            continue
        pending += [(Path(entry.path), depth + 1) for entry in reversed(subfolders)]
    return contents


def run_dir(folder: Path) -> RunDir | None:
    """Return the run folder of a trainer; None if the folder is not one."""
    contents = TreeContents()
    try:
        files, subfolders = _list(folder, contents)
    except (OSError, ValueError):
        return None
    run = _read_run_dir(folder, files, subfolders, set(), contents)
    return run if run.is_run else None


def _read_run_dir(
    folder: Path,
    files: list[os.DirEntry[str]],
    subfolders: list[os.DirEntry[str]],
    visited_inodes: set[tuple[int, int]],
    contents: TreeContents,
) -> RunDir:
    run = RunDir(folder)
    for path in _files(files, visited_inodes, contents):
        _classify(path, run)
    if any(entry.name == "weights" for entry in subfolders):
        run.weights = list(_weights(folder / "weights"))
    return run


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
    return is_folder and not entry.name.startswith(".") and entry.name not in _SKIPPED_FOLDERS


def _files(
    entries: list[os.DirEntry[str]], visited_inodes: set[tuple[int, int]], contents: TreeContents
) -> Iterator[Path]:
    """Yield the paths of regular files, each file once even if several links point to it."""
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


def _is_relevant(name: str) -> bool:
    """Whether a file of this name may be a log, results or options."""
    is_named = name in OPTIONS or name in RESULTS or name.startswith(_EVENT_FILE)
    return (
        is_named
        or _uncompressed(name.lower()).endswith(_LOG_SUFFIXES)
        or name.endswith(_JSON_LOGS)
        or bool(_LOG_NAMES.fullmatch(name))
    )


def _list(folder: Path, contents: TreeContents) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """List the relevant files and the folders, sorted; other files, such as a data set's, are only counted.

    Raises:
        OSError: the folder cannot be read.
    """
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry)
            elif _is_relevant(entry.name):
                files.append(entry)
            elif not entry.is_symlink():
                contents.others += not entry.is_dir()
    key = lambda entry: _natural_key(entry.name)  # noqa: E731
    return sorted(files, key=key), sorted(folders, key=key)


def _classify(path: Path, run: RunDir) -> None:
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


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts exp2 before exp10."""
    parts = re.split(r"(\d{1,15})", name)
    return [(0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part) for part in parts]


def _uncompressed(name: str) -> str:
    """Return the name of a file without the suffix of its compression."""
    return next((name.removesuffix(suffix) for suffix in _COMPRESSED if name.endswith(suffix)), name)
