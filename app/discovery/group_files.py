"""Group the files of a tree into runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.discovery.discover import RunDir, run_dir
from app.discovery.read_log import LogFile, LogPart
from app.discovery.sidecar_results import results_beside
from engine.contracts.watching import WatchRecord
from engine.logs.results.results_file import agree as agree_on

LOG, RESULTS, EVENT_FILE = "log", "results", "event file"
_MIN_AGREEMENT = 0.9
"""The share of common epochs with equal values; a resumed run may have overwritten a few."""
_MAX_PARENTS = 6
"""How many folders above a log to try as the trainer's working directory."""


@dataclass(frozen=True)
class Piece:
    """The bytes of a file that belong to one run."""

    file: LogFile
    part: LogPart
    role: str = LOG


@dataclass
class DiscoveredRun:
    """A run of another program, by its files on disk."""

    name: str
    folder: Path | None = None
    """The folder that the trainer created for it."""
    consoles: list[Piece] = field(default_factory=list)
    """The source of each attempt's console log."""
    results: Piece | None = None
    """The sidecar results."""
    options: dict[str, Any] = field(default_factory=dict)
    option_files: list[Path] = field(default_factory=list)
    weights: list[tuple[str, Path]] = field(default_factory=list)
    copies: list[Piece] = field(default_factory=list)
    """Duplicate logs of a training, such as the copy of an experiment tracker."""
    watch: WatchRecord | None = None
    """The watch record, if its process may be live."""
    command: list[str] = field(default_factory=list)
    cwd: str = ""


def matching_folder(save_dir: str, log: Path, folders: Sequence[Path]) -> Path | None:
    """Return the folder that the save_dir of a log names; None if no folder or several match.

    A save_dir is relative to the working directory of the trainer, maybe on another machine.
    """
    printed_path = Path(save_dir.strip().replace("\\", "/"))
    by_place = {folder.resolve(): folder for folder in folders}
    for base in bases_of(log):
        folder = by_place.get((base / printed_path).resolve())
        if folder is not None:
            return folder
    tail = printed_path.parts[-2:]
    candidates = [folder for folder in folders if len(tail) == 2 and folder.resolve().parts[-2:] == tail]
    return candidates[0] if len(candidates) == 1 else None


def printed_run_dir(save_dir: str, bases: Iterable[Path]) -> RunDir | None:
    """Return the run folder that the save_dir of a log names, if it exists on this machine."""
    printed_path = Path(save_dir.strip().replace("\\", "/"))
    for base in bases:
        run_directory = run_dir(base / printed_path)
        if run_directory is not None:
            return run_directory
    return None


def bases_of(log: Path) -> list[Path]:
    """Return possible working directories of the trainer that wrote a log."""
    return list(log.resolve().parents)[:_MAX_PARENTS]


def metrics_agree(log: LogPart, results: LogPart) -> bool | None:
    """Whether two files have the same mAP by epoch; None if they have no epoch in common."""
    shift = log.first_epoch - results.first_epoch
    # The last epoch of a training that was cut off may have been trained again, and its results overwritten.
    last = max(log.rates, default=0) if len(log.rates) > 1 else None
    shared = [
        (log.rates[epoch], text)
        for number, text in results.rates.items()
        if (epoch := number + shift) in log.rates and epoch != last
    ]
    same = sum(agree_on(logged, stored) for logged, stored in shared)
    return same >= _MIN_AGREEMENT * len(shared) if shared else None


def group_into_runs(
    folders: Sequence[RunDir], curves: dict[Path, list[Piece]], logs: Iterable[Piece]
) -> list[DiscoveredRun]:
    """Assign logs to the run folders that they belong to; the other logs become separate runs.

    Args:
        folders: run folders.
        curves: the results and event files of each folder.
        logs: all logs, inside and outside of the folders.
    """
    runs = {folder.path: _of_folder(folder, curves.get(folder.path, [])) for folder in folders}
    alone: list[Piece] = []
    beside: dict[Path, list[Piece]] = {}
    for piece in logs:
        place = matching_folder(piece.part.save_dir, piece.file.path, list(runs)) if piece.part.save_dir else None
        if place is None and piece.file.path.parent in runs and piece.part.is_training:
            beside.setdefault(piece.file.path.parent, []).append(piece)
        elif place is None or not piece.part.is_training or not _add(runs[place], piece):
            alone.append(piece)
    for place, pieces in beside.items():
        run = runs[place]
        proven = [piece for piece in pieces if run.results and metrics_agree(piece.part, run.results.part)]
        if not proven and len(pieces) == 1 and not _has_log(run):
            proven = pieces
        for piece in pieces:
            if piece not in proven or not _add(run, piece):
                alone.append(piece)
    for run in runs.values():
        run.consoles.sort(key=lambda piece: (piece.file.modified_ns, piece.part.begins))
    return [*runs.values(), *_with_results(_of_logs(alone))]


def _of_folder(folder: RunDir, curves: list[Piece]) -> DiscoveredRun:
    """Return the run of a folder without a log: its results or event files serve as the console."""
    run = DiscoveredRun(folder.path.resolve().name or "run", folder.path, weights=folder.weights)
    results = [piece for piece in curves if piece.role == RESULTS]
    run.results = results[0] if results else None
    run.consoles = results[:1] or [piece for piece in curves if piece.role == EVENT_FILE]
    return run


def _add(run: DiscoveredRun, piece: Piece) -> bool:
    """Add a log to the run as an attempt; return False if its metrics are another run's."""
    if run.results is not None and metrics_agree(piece.part, run.results.part) is False:
        return False
    if not _has_log(run):
        run.consoles = []
    for other in run.consoles:
        if _is_duplicate(other.part, piece.part):
            shorter = min(other, piece, key=lambda one: (len(one.part.rates), one.part.size))
            if shorter is other:
                run.consoles[run.consoles.index(other)] = piece
            run.copies.append(shorter)
            return True
    run.consoles.append(piece)
    return True


def _is_duplicate(one: LogPart, other: LogPart) -> bool:
    """Whether two logs are of the same training; an attempt that resumes another one repeats at most one epoch."""
    if one.sha256 == other.sha256:
        return True
    shared = one.rates.keys() & other.rates.keys()
    is_most = len(shared) > 1 and 2 * len(shared) >= min(len(one.rates), len(other.rates))
    return is_most and sum(one.rates[epoch] == other.rates[epoch] for epoch in shared) >= _MIN_AGREEMENT * len(shared)


def _has_log(run: DiscoveredRun) -> bool:
    return any(piece.role == LOG for piece in run.consoles)


def _with_results(runs: list[DiscoveredRun]) -> list[DiscoveredRun]:
    """Assign results files without a log to the logs beside them that have the same metrics."""
    alone = {
        run.consoles[0].file.path.resolve(): run
        for run in runs
        if len(run.consoles) == 1 and run.consoles[0].role == RESULTS
    }
    for run in runs if alone else ():
        last = run.consoles[-1]
        for path in results_beside(last.file.path) if last.role == LOG else ():
            results_run = alone.get(path.resolve())
            if results_run is not None and metrics_agree(last.part, results_run.consoles[0].part):
                run.results = alone.pop(path.resolve()).consoles[0]
                break
    unassigned = set(map(id, alone.values()))
    return [run for run in runs if run.consoles[0].role != RESULTS or id(run) in unassigned or len(run.consoles) > 1]


def _of_logs(pieces: Iterable[Piece]) -> list[DiscoveredRun]:
    """Return the runs that have only a log. Trainings of one file with the same save_dir are attempts of one run."""
    runs: list[DiscoveredRun] = []
    by_place: dict[tuple[int, str], DiscoveredRun] = {}
    for piece in pieces:
        key = (id(piece.file), piece.part.save_dir)
        if piece.part.save_dir and key in by_place:
            by_place[key].consoles.append(piece)
            continue
        several = len(piece.file.parts) > 1 and piece.part.save_dir
        name = Path(piece.part.save_dir.replace("\\", "/")).name if several else ""
        run = DiscoveredRun(name or piece.file.path.stem, consoles=[piece])
        by_place[key] = run
        runs.append(run)
    return runs
