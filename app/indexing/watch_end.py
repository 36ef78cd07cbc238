"""Record the files of a watched run at its end, as for an imported run."""

import hashlib
from pathlib import Path

from app.discovery.discover import RunDir, run_dir
from app.discovery.group_files import DiscoveredRun, bases_of, printed_run_dir
from app.discovery.read_log import LogPart
from app.discovery.source_files import hash_weights
from app.discovery.trainer_options import apply_option_files
from engine.contracts.imported import ImportRecord, SourceFile, storable
from engine.contracts.run_folder import AttemptFolder, RunFolder
from engine.contracts.spec import RunSpec
from engine.contracts.watching import WatchRecord
from engine.files.safe_open import open_regular

_HEAD_BYTES = 4 << 20
"""The start of a log, in which trainers print their options and save_dir."""


def end_watch(folder: RunFolder) -> None:
    """Record the files of the log and the trainer's folder, which no process writes any more."""
    before = ImportRecord.read(folder.imported) or ImportRecord()
    files = [file for attempt in folder.attempts() if (file := _console(attempt)) is not None]
    spec = RunSpec.read(folder.spec)
    run = DiscoveredRun(spec.name)
    part = _head(folder)
    trainer_folder = _trainers_folder(part, spec)
    if trainer_folder is not None:
        run.folder, run.weights = trainer_folder.path, trainer_folder.weights
        list(apply_option_files(run, trainer_folder))
    run.options = run.options or spec.options or part.options
    if run.options != spec.options:
        spec.model_copy(update={"options": run.options}).write(folder.spec)
    option_files = [file for file in before.files if not file.attempt and file.role == "options"]
    record = ImportRecord(
        folder=storable(trainer_folder.path.absolute()) if trainer_folder else before.folder,
        files=[*files, *option_files, *hash_weights(run, before)],
    )
    record.write(folder.imported)


def _console(attempt: AttemptFolder) -> SourceFile | None:
    watch = WatchRecord.read(attempt.watch)
    if watch is None or not attempt.console.exists():
        return None
    with open_regular(attempt.console) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = attempt.console.stat().st_size
    return SourceFile(
        path=watch.path, role="log", size=size, sha256=digest, attempt=attempt.number, begins=watch.begins
    )


def _head(folder: RunFolder) -> LogPart:
    """Parse the start of the log."""
    part = LogPart(0)
    with open_regular(folder.attempts()[0].console) as file:
        part.add(part.parser.feed(file.read(_HEAD_BYTES)))
    return part


def _trainers_folder(part: LogPart, spec: RunSpec) -> RunDir | None:
    """Return the run folder of the trainer: the printed save_dir, else the folder of the log."""
    log = Path(spec.imported_from or "")
    bases = [Path(spec.cwd)] if spec.cwd else []
    if part.save_dir:
        return printed_run_dir(part.save_dir, bases + bases_of(log))
    return run_dir(log.parent)
