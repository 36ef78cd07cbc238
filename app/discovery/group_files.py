"""Which of the files that were found are of one run."""

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
_AGREE = 0.9
"""Of the epochs that both tell; a resumed run may have overwritten a few."""
_MOST_ABOVE = 6
"""Folders above a log in which the trainer may have been started."""


@dataclass(frozen=True)
class Piece:
    """The bytes of a file that belong to one run."""

    file: LogFile
    part: LogPart
    role: str = LOG


@dataclass
class DiscoveredRun:
    """A run as it lies on the disk."""

    name: str
    folder: Path | None = None
    """The trainer's own folder of it."""
    consoles: list[Piece] = field(default_factory=list)
    """What stands for the console of each attempt."""
    results: Piece | None = None
    """The file of results beside the log."""
    options: dict[str, Any] = field(default_factory=dict)
    option_files: list[Path] = field(default_factory=list)
    weights: list[tuple[str, Path]] = field(default_factory=list)
    copies: list[Piece] = field(default_factory=list)
    """Logs that tell a training over again: what a tracker has kept of the output, beside the log itself."""
    watch: WatchRecord | None = None
    """Its process may still live: who it is."""
    command: list[str] = field(default_factory=list)
    cwd: str = ""


def matching_folder(save_dir: str, log: Path, folders: Sequence[Path]) -> Path | None:
    """The folder that a log means by its save_dir; None where none or several may be meant.

    It was relative to where the trainer was started, maybe on another machine.
    """
    printed_path = Path(save_dir.strip().replace("\\", "/"))
    by_place = {folder.resolve(): folder for folder in folders}
    for base in bases_of(log):
        there = by_place.get((base / printed_path).resolve())
        if there is not None:
            return there
    tail = printed_path.parts[-2:]
    candidates = [folder for folder in folders if len(tail) == 2 and folder.resolve().parts[-2:] == tail]
    return candidates[0] if len(candidates) == 1 else None


def printed_run_dir(save_dir: str, bases: Iterable[Path]) -> RunDir | None:
    """The folder of a run that a log means by its save_dir, where it is on this machine."""
    printed_path = Path(save_dir.strip().replace("\\", "/"))
    for base in bases:
        run_directory = run_dir(base / printed_path)
        if run_directory is not None:
            return run_directory
    return None


def bases_of(log: Path) -> list[Path]:
    """Folders in which the trainer that wrote a log may have been started."""
    return list(log.resolve().parents)[:_MOST_ABOVE]


def metrics_agree(log: LogPart, results: LogPart) -> bool | None:
    """Whether two files tell the same mAP by epoch; None where they have no epoch in common."""
    shift = log.first_epoch - results.first_epoch
    # The last epoch of a training that was cut off may have been trained again, and its results overwritten.
    last = max(log.rates, default=0) if len(log.rates) > 1 else None
    shared = [
        (log.rates[epoch], text)
        for at, text in results.rates.items()
        if (epoch := at + shift) in log.rates and epoch != last
    ]
    same = sum(agree_on(logged, stored) for logged, stored in shared)
    return same >= _AGREE * len(shared) if shared else None


def group_into_runs(
    folders: Sequence[RunDir], read: dict[Path, list[Piece]], logs: Iterable[Piece]
) -> list[DiscoveredRun]:
    """Put logs to the folders that they belong to; what is left of them are runs of their own.

    Args:
        folders: folders of runs.
        read: their results and event files.
        logs: all logs, wherever they lie.
    """
    runs = {folder.path: _of_folder(folder, read.get(folder.path, [])) for folder in folders}
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


def _of_folder(folder: RunDir, read: list[Piece]) -> DiscoveredRun:
    """A run without its log: what results it left stands for the console."""
    run = DiscoveredRun(folder.path.resolve().name or "run", folder.path, weights=folder.weights)
    results = [piece for piece in read if piece.role == RESULTS]
    run.results = results[0] if results else None
    run.consoles = results[:1] or [piece for piece in read if piece.role == EVENT_FILE]
    return run


def _add(run: DiscoveredRun, piece: Piece) -> bool:
    """Make a log one of the run's attempts, unless its numbers are another run's."""
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
    """Whether two logs tell the same training: an attempt that resumes another one has at most an epoch of it."""
    if one.sha256 == other.sha256:
        return True
    shared = one.rates.keys() & other.rates.keys()
    is_most = len(shared) > 1 and 2 * len(shared) >= min(len(one.rates), len(other.rates))
    return is_most and sum(one.rates[epoch] == other.rates[epoch] for epoch in shared) >= _AGREE * len(shared)


def _has_log(run: DiscoveredRun) -> bool:
    return any(piece.role == LOG for piece in run.consoles)


def _with_results(runs: list[DiscoveredRun]) -> list[DiscoveredRun]:
    """Put files of results that stand alone to the logs beside them whose numbers they tell."""
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
    left = set(map(id, alone.values()))
    return [run for run in runs if run.consoles[0].role != RESULTS or id(run) in left or len(run.consoles) > 1]


def _of_logs(pieces: Iterable[Piece]) -> list[DiscoveredRun]:
    """Runs of which there is only a log. Trainings of one file that save to the same place are attempts of one run."""
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
