"""Find and read sidecar results: the results files that a trainer wrote beside its log."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from engine.contracts.errors import YoloqatError
from engine.logs.results.results_file import NAMES, ResultsFile, read_results

MOST_BYTES = 8 << 20
"""Size limit of a results file; an epoch takes about 200 bytes."""
_READ_BYTES = 1 << 20


def results_beside(log: Path | None, printed_folders: Sequence[str] = (), cwd: Path | None = None) -> list[Path]:
    """Return the results files that exist, the more likely ones first. They may belong to another run than the log.

    Args:
        log: `a.out` may have `a.results.txt` or `a.results.csv` beside it, any log `results.txt` or `results.csv`; or
            the trainer's folder of the run, which may have the latter in it.
        printed_folders: folders that the log names as its save_dir.
        cwd: the base of these folders; None tries the folder of the log and its parent.
    """
    files: dict[tuple[int, int], Path] = {}
    for path in _places(log, printed_folders, cwd):
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(status.st_mode) and not (log is not None and _is_same(path, log)):
            files.setdefault((status.st_dev, status.st_ino), path)
    return list(files.values())


def _places(log: Path | None, printed_folders: Sequence[str], cwd: Path | None) -> Iterator[Path]:
    bases: Iterable[Path] = [cwd] if cwd is not None else [log.parent, log.parent.parent] if log is not None else []
    for base in bases:
        for folder in printed_folders:
            yield from (base / folder / name for name in NAMES)
    if log is not None and os.path.isdir(log):
        yield from (log / name for name in NAMES)
    elif log is not None and log.name:
        yield from (log.with_name(f"{log.stem}.{name}") for name in NAMES)
        yield from (log.with_name(name) for name in NAMES)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def read_results_file(path: Path) -> ResultsFile:
    """Read a results file; without epochs if the file of this name is something else.

    Raises:
        YoloqatError: the file cannot be read, or is too large for a results file.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise YoloqatError(f"larger than {MOST_BYTES >> 20} MB: not a results file", where=str(path))
        with path.open("rb") as file:
            return read_results(iter(lambda: file.read(_READ_BYTES), b""))
    except OSError as error:
        raise YoloqatError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
