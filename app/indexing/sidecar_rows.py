"""Files of results beside the logs of a run: read as they grow, held against the logs, and kept with the run."""

import contextlib
import filecmp
import shutil
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from app.discovery.sidecar_results import read_results_file, results_beside
from app.following.file_stamps import Stamp, stamp_of
from db.fact_rows import printed
from db.open import Store
from db.reading.log_facts import attempt_numbers, first_epoch, has_results_files, log_events
from db.reading.numbers import Cell
from db.results import Logged, Place, logged_numbers, logged_signature, write_results
from db.summary import refresh_summary
from db.tables import ResultsFile as Row
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder
from engine.contracts.spec import COMMAND, RunSpec
from engine.files.atomic import atomic_stream
from engine.files.safe_open import open_regular
from engine.logs.results.results_file import NAMES, Match, ResultsFile, is_as_precise, match_results
from engine.logs.save_dir import KINDS, told_folder

_LOOK_SECONDS = 1.0
"""How often the files of a live run are looked at."""
Attempts = frozenset[int]


@dataclass
class _StoredResults:
    """What the files of a run tell, all in all."""

    rows: list[Row] = field(default_factory=list)
    cells: dict[Place, Cell] = field(default_factory=dict)
    used: list[tuple[Path, int, str]] = field(default_factory=list)
    """File, the newest attempt that it is of, and its dialect."""


class ResultsFollower:
    """What is known of a run's files of results between two looks."""

    def __init__(self, folder: RunFolder, spec: RunSpec) -> None:
        self._folder = folder
        self._spec = spec
        self._looked_at = -_LOOK_SECONDS
        self._last_signature: object = None
        self._read: dict[Path, tuple[Stamp | None, ResultsFile | str]] = {}
        """What stood in a file when it had that stamp, or why it could not be read."""
        self._stored = _StoredResults()

    def update_index(self, store: Store, *, finish: bool) -> bool:
        """Read the files that have changed, and commit what they tell. The rows of the logs must be there.

        Args:
            finish: nothing will be added any more, so the files that are of the run are kept in its folder.

        Returns:
            Whether anything was written.
        """
        now = time.monotonic()
        if self._spec.stage != COMMAND or (not finish and now - self._looked_at < _LOOK_SECONDS):
            return False  # our own stages tell every number with all of its digits
        self._looked_at = now
        with store.reading() as connection:
            files = self._files(connection)
            stamps = {path: stamp_of(path) for path in files}
            signature = (stamps, logged_signature(connection, self._spec.id)) if files else None
            if signature is None and self._last_signature is None and not has_results_files(connection, self._spec.id):
                return False
            is_new = signature is None or signature != self._last_signature
            if is_new:
                logged = logged_numbers(connection, self._spec.id)
                first = first_epoch(connection, self._spec.id)
                before, self._stored = self._stored, self._tell(files, stamps, logged, first)
        if is_new:
            changed = {place: cell for place, cell in self._stored.cells.items() if before.cells.get(place) != cell}
            with store.writing(self._spec.id) as connection:
                write_results(connection, self._spec.id, self._stored.rows, changed, self._stored.cells.keys())
                refresh_summary(connection, self._spec.id)
            self._last_signature = signature
        if finish:
            self._keep()
        return is_new

    def _files(self, connection: sqlite3.Connection) -> dict[Path, Attempts]:
        """Where the trainer writes them, and then where they were kept; each with the attempts that it may be of."""
        printed_folders = _read_printed_folders(connection, self._spec.id)
        if printed_folders is None:
            return {}
        log = Path(self._spec.imported_from) if self._spec.imported_from else None
        cwd = Path(self._spec.cwd) if self._spec.cwd else None
        attempts_by_path: dict[Path, set[int]] = {}
        for number, folders in printed_folders.items():
            for path in results_beside(log, folders, cwd):
                if not self._is_older(path) and not self._is_console(path):
                    attempts_by_path.setdefault(path, set()).add(number)
        for attempt in self._folder.attempts():
            own = set(printed_folders.get(attempt.number, ()))
            others = {
                number for number, folders in printed_folders.items() if not folders or not own or own & set(folders)
            }
            for name in NAMES:
                if (attempt.path / name).is_file():
                    attempts_by_path.setdefault(attempt.path / name, set()).update(others)
        return {path: frozenset(attempts) for path, attempts in attempts_by_path.items()}

    def _is_older(self, path: Path) -> bool:
        """Whether a file has not been written since the run was launched: its folder has served an earlier one."""
        if self._spec.source != "launched":
            return False
        stamp = stamp_of(path)
        created = self._spec.created_at
        launched = created if created.tzinfo is not None else created.replace(tzinfo=UTC)
        return stamp is not None and stamp[2] < launched.timestamp() * 1e9

    def _is_console(self, path: Path) -> bool:
        """Whether a file is what an imported run was read from: it would only tell everything once more."""
        if self._spec.source != "imported":
            return False
        for attempt in self._folder.attempts():
            with contextlib.suppress(OSError):
                if filecmp.cmp(path, attempt.console, shallow=False):
                    return True
        return False

    def _tell(
        self,
        files: Mapping[Path, Attempts],
        stamps: Mapping[Path, Stamp | None],
        logged: Mapping[int, Logged],
        first_epoch: int | None,
    ) -> _StoredResults:
        stored = _StoredResults()
        newest = {epoch: number for number in sorted(logged) for epoch in logged[number]}
        for path, attempts in files.items():
            file = self._read_again(path, stamps[path])
            own = {epoch: row for number in sorted(attempts & logged.keys()) for epoch, row in logged[number].items()}
            row = Row(run_id=self._spec.id, position=0, path=_text(path), source=path.name, epochs=0, problem="")
            if isinstance(file, str):
                row.problem = file
            elif file.epochs and own:
                row.source = file.source
                match = match_results(file, own, first_epoch)
                row.problem = _problem(match)
                if match.is_of_one_run:
                    theirs = {epoch for epoch in match.epochs if newest.get(epoch, max(attempts)) in attempts}
                    row.epochs = _cover(stored.cells, match, theirs, file.source, own)
                    stored.used.append((path, max(attempts), file.source))
            if row.epochs or row.problem:
                stored.rows.append(row)
        if stored.used:
            stored.rows = [row for row in stored.rows if row.epochs]
        for position, row in enumerate(stored.rows):
            row.position = position
        return stored

    def _read_again(self, path: Path, stamp: Stamp | None) -> ResultsFile | str:
        previous_reading = self._read.get(path)
        if previous_reading is not None and previous_reading[0] == stamp:
            return previous_reading[1]
        try:
            file: ResultsFile | str = read_results_file(path)
        except YoloqatError as error:
            file = error.what
        self._read[path] = (stamp, file)
        return file

    def _keep(self) -> None:
        """Copy what is of the run into its folder: the trainer's own folder may go, or serve another run."""
        for path, attempt, name in self._stored.used:
            copy = self._folder.attempt(attempt).path / name
            if path.is_relative_to(self._folder.path):
                continue
            with contextlib.suppress(OSError):  # a folder that cannot be written is read all the same
                if copy.exists() and filecmp.cmp(path, copy, shallow=False):
                    continue
                with open_regular(path, follow=True) as source, atomic_stream(copy) as target:
                    shutil.copyfileobj(source, target)


def _read_printed_folders(connection: sqlite3.Connection, run_id: str) -> dict[int, list[str]] | None:
    """The folders that the log of each attempt names; None where a stage of ours has printed it."""
    folders_by_attempt: dict[int, list[str]] = {number: [] for number in attempt_numbers(connection, run_id)}
    for attempt, kind, payload in log_events(connection, run_id, ("stage", *KINDS)):
        if kind not in KINDS:
            return None
        folder = told_folder(kind, payload)
        if folder is not None and folder not in folders_by_attempt[attempt]:
            folders_by_attempt[attempt].append(folder)
    return folders_by_attempt


def _cover(cells: dict[Place, Cell], match: Match, epochs: Iterable[int], source: str, logged: Logged) -> int:
    """Add what a file tells of epochs that no other has told; the number of these.

    Epochs after the log's last one are another run's, or will be in the log in a moment.
    """
    done = {epoch for epoch, _ in cells}
    last = max(logged)
    covered = {epoch for epoch in epochs if epoch <= last and epoch not in done}
    for epoch in covered:
        own = logged.get(epoch, {})
        for key, text in match.epochs[epoch].items():
            if key not in own or is_as_precise(text, own[key]):
                cells[epoch, key] = printed(text, source)
    return len(covered)


def _problem(match: Match) -> str:
    """Why a file is left aside; empty where it isn't, or where nothing can be said of it."""
    if match.difference is None:
        return ""
    difference = match.difference
    values = f"{difference.logged} in the log and {difference.stored} there"
    return f"not of this run: in epoch {difference.epoch}, {difference.key} is {values}"


def _text(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
