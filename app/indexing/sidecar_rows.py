"""Index sidecar results: read them as they grow, match them with the logs, copy them into the run folder."""

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
from db.open import Store
from db.reading.log_facts import attempt_numbers, first_epoch, has_results_files, log_events
from db.reading.numbers import Cell
from db.results import Logged, Place, logged_numbers, logged_signature, write_results
from db.rows_of_facts import printed
from db.summary import refresh_summary
from db.tables import ResultsFile as Row
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import RunFolder
from engine.contracts.spec import COMMAND, RunSpec
from engine.files.atomic import atomic_stream
from engine.files.safe_open import open_regular
from engine.logs.results.results_file import NAMES, Match, ResultsFile, is_as_precise, match_results
from engine.logs.save_dir import KINDS, told_folder

_CHECK_SECONDS = 1.0
"""How often to check the files of a live run."""
_LARGEST_SHARE = 0.02
"""Of a core, for a live run: files are read whole, so those of long trainings are read more rarely."""
Attempts = frozenset[int]


@dataclass
class _StoredResults:
    """The merged contents of the sidecar results of a run."""

    rows: list[Row] = field(default_factory=list)
    cells: dict[Place, Cell] = field(default_factory=dict)
    used: list[tuple[Path, int, str]] = field(default_factory=list)
    """File, its newest attempt, and its dialect."""


class ResultsFollower:
    """Follows the sidecar results of a run."""

    def __init__(self, folder: RunFolder, spec: RunSpec) -> None:
        self._folder = folder
        self._spec = spec
        self._checked_at = -_CHECK_SECONDS
        self._pause = _CHECK_SECONDS
        self._last_signature: object = None
        self._readings: dict[Path, tuple[Stamp | None, ResultsFile | str]] = {}
        """File → its stamp and contents at that stamp, or why it could not be read."""
        self._stored = _StoredResults()

    def update_index(self, store: Store, *, finish: bool) -> bool:
        """Read changed files and commit their values. The rows of the logs must exist.

        Args:
            finish: the run has ended, so its files are copied into the run folder.

        Returns:
            Whether anything was written.
        """
        now = time.monotonic()
        if self._spec.stage != COMMAND or (not finish and now - self._checked_at < self._pause):
            return False  # logs of our own stages have all digits already
        is_new = self._update(store)
        self._checked_at = time.monotonic()
        self._pause = max(_CHECK_SECONDS, (self._checked_at - now) / _LARGEST_SHARE)
        if finish:
            self._copy_into_run_folder()
        return is_new

    def _update(self, store: Store) -> bool:
        """Write what the files tell, if they or the logs have changed."""
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
                before, self._stored = self._stored, self._merge(files, stamps, logged, first)
        if is_new:
            changed = {place: cell for place, cell in self._stored.cells.items() if before.cells.get(place) != cell}
            with store.writing(self._spec.id) as connection:
                write_results(connection, self._spec.id, self._stored.rows, changed, self._stored.cells.keys())
                refresh_summary(connection, self._spec.id)
            self._last_signature = signature
        return is_new

    def _files(self, connection: sqlite3.Connection) -> dict[Path, Attempts]:
        """Return the trainer's files, then the copies in the run folder, each with its possible attempts."""
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
        """Whether a file is older than the launch of the run, so it belongs to an earlier run in the same folder."""
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

    def _merge(
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
                    newest_epochs = {epoch for epoch in match.epochs if newest.get(epoch, max(attempts)) in attempts}
                    row.epochs = _cover(stored.cells, match, newest_epochs, file.source, own)
                    stored.used.append((path, max(attempts), file.source))
            if row.epochs or row.problem:
                stored.rows.append(row)
        if stored.used:
            stored.rows = [row for row in stored.rows if row.epochs]
        for position, row in enumerate(stored.rows):
            row.position = position
        return stored

    def _read_again(self, path: Path, stamp: Stamp | None) -> ResultsFile | str:
        previous_reading = self._readings.get(path)
        if previous_reading is not None and previous_reading[0] == stamp:
            return previous_reading[1]
        try:
            file: ResultsFile | str = read_results_file(path)
        except YoloqatError as error:
            file = error.what
        self._readings[path] = (stamp, file)
        return file

    def _copy_into_run_folder(self) -> None:
        """Copy the files into the run folder: the trainer's folder may be deleted or reused."""
        for path, attempt, name in self._stored.used:
            copy = self._folder.attempt(attempt).path / name
            if path.is_relative_to(self._folder.path):
                continue
            with contextlib.suppress(OSError):  # a copy that fails (a full disk) does not matter for reading
                if copy.exists() and filecmp.cmp(path, copy, shallow=False):
                    continue
                with open_regular(path, follow=True) as source, atomic_stream(copy) as target:
                    shutil.copyfileobj(source, target)


def _read_printed_folders(connection: sqlite3.Connection, run_id: str) -> dict[int, list[str]] | None:
    """Return the save_dirs that the log of each attempt names; None for a log of our own stages."""
    folders_by_attempt: dict[int, list[str]] = {number: [] for number in attempt_numbers(connection, run_id)}
    for attempt, kind, payload in log_events(connection, run_id, ("stage", *KINDS)):
        if kind not in KINDS:
            return None
        folder = told_folder(kind, payload)
        if folder is not None and folder not in folders_by_attempt[attempt]:
            folders_by_attempt[attempt].append(folder)
    return folders_by_attempt


def _cover(cells: dict[Place, Cell], match: Match, epochs: Iterable[int], source: str, logged: Logged) -> int:
    """Add the values of epochs that no other file has; return the number of these epochs.

    Skips epochs after the last one in the log: they are another run's, or not yet logged.
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
    """Return why a file is not used; empty if it is used or cannot be compared."""
    if match.difference is None:
        return ""
    difference = match.difference
    values = f"{difference.logged} in the log and {difference.stored} there"
    return f"not of this run: in epoch {difference.epoch}, {difference.key} is {values}"


def _text(path: Path) -> str:
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
