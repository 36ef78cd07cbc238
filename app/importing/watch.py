"""Watch the growing log of any program: it becomes a live run, which the indexer then follows."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.discovery.discover import run_dir
from app.discovery.group_files import LOG, RESULTS, DiscoveredRun, Piece, bases_of, printed_run_dir
from app.discovery.process_output import RunningProcess, find_log
from app.discovery.read_log import LogFile, read_log
from app.discovery.trainer_options import apply_option_files, apply_printed_options
from app.importing.imported_runs import ImportedRuns, active_watch, updated_record, write_changes, write_new_run
from app.workspace.run_names import check_name, free_name, lock_names, read_name
from engine.contracts.attempt_records import ProcessIdentity
from engine.contracts.errors import YoloqatError
from engine.contracts.imported import ImportRecord, storable
from engine.contracts.run_folder import Workspace
from engine.contracts.watching import WatchRecord
from engine.runner.processes.identity import boot_id
from engine.supervise.launch.ids import new_run_id
from engine.supervise.state.open_files import writers

_NAME = re.compile(r"(?:--)?name[= ](\S+)")


@dataclass(frozen=True)
class Watched:
    """A watched log and its run."""

    run_id: str
    name: str
    log: Path
    is_new: bool
    """False if the run exists: the log is already watched, or was imported."""
    dialect: str
    """The dialect as text; empty if none is detected yet."""
    earlier_runs: int
    """The number of earlier runs in the same file, which `import` can import."""
    pid: int | None = None
    """The attached process; None for `watch`."""


def watch_log(workspace: Workspace, path: Path, name: str | None = None) -> Watched:
    """Watch a log as a new run, or as the existing run that it continues.

    Args:
        name: the run's name, with a number if it is in use; the file's name when None.

    Raises:
        YoloqatError: the file is missing, cannot be read or cannot be watched.
    """
    return _watch(workspace, path, name, None)


def attach(workspace: Workspace, pid: int, name: str | None = None) -> Watched:
    """Watch the log of a foreign process.

    Args:
        name: the run's name; the process's `--name` or its script's name when None.

    Raises:
        YoloqatError: as `watch_log`; or the process is missing, another user's, or writes no file.
    """
    process = find_log(pid)
    return _watch(workspace, process.log, name, process)


def _watch(workspace: Workspace, path: Path, name: str | None, process: RunningProcess | None) -> Watched:
    if name is not None:
        check_name(name)
    _check_file(workspace, path)
    log = read_log(path)
    if log.foreign and not log.is_log:
        raise YoloqatError(f"this is a log of {log.foreign}, which yoloqat does not read", where=str(path))
    run = _last_run_of(log, path, process)
    piece = run.consoles[0]
    with lock_names(workspace) as used_names:
        imported_runs = ImportedRuns(workspace)
        watching_id = _watching_run(workspace, path)
        run_id = watching_id or imported_runs.find(run)
        is_new = run_id is None
        if run_id is None:
            run_id = new_run_id()
            run_name = free_name(name or _name(run, process), used_names)
            record = updated_record(run, ImportRecord())
            assert record is not None
            write_new_run(workspace, run_id, run_name, run, record)
        elif watching_id is None:
            before = imported_runs.record(run_id)
            write_changes(workspace, run_id, run, updated_record(run, before) or before)
    from app.indexing.service import ensure_indexer, update_index

    update_index(workspace)
    ensure_indexer(workspace)
    return Watched(
        run_id=run_id,
        name=read_name(workspace.run(run_id)).name,
        log=path.absolute(),
        is_new=is_new,
        dialect=piece.part.dialect,
        earlier_runs=sum(part.is_log for part in log.parts[:-1]),
        pid=process.identity.pid if process else None,
    )


def _watching_run(workspace: Workspace, path: Path) -> str | None:
    """Return the run that watches this file already; None otherwise."""
    status = path.stat()
    for folder in workspace.run_folders():
        watch = active_watch(folder)
        if watch is not None and (watch.device, watch.inode) == (status.st_dev, status.st_ino):
            return folder.id
    return None


def _check_file(workspace: Workspace, path: Path) -> None:
    """Raise YoloqatError for a file that cannot be watched."""
    if path.is_dir():
        raise YoloqatError("this is a folder", where=str(path), hint="Use `yoloqat import` for folders.")
    if not path.exists():
        raise YoloqatError("there is no such file", where=str(path), hint="Start the program first.")
    if not path.is_file():
        raise YoloqatError("not a regular file", where=str(path), hint="Write the log into a file first.")
    if path.resolve().is_relative_to(workspace.runs.resolve()) or (path.parent / "launch.json").exists():
        raise YoloqatError(
            "yoloqat already follows this file: it is the console of a run",
            where=str(path),
            hint="Use `yoloqat ls` to find it and `yoloqat log -f` to follow it.",
        )
    if storable(path) != str(path):
        raise YoloqatError("the file name is not valid UTF-8", where=storable(path), hint="Watch a link to it.")


def _last_run_of(log: LogFile, path: Path, process: RunningProcess | None) -> DiscoveredRun:
    """Return the last run in the file, with the files that its trainer has written so far."""
    role = RESULTS if log.parts[-1].dialect.startswith("results.") else LOG
    piece = Piece(log, log.parts[-1], role)
    run = DiscoveredRun(path.stem, consoles=[piece])
    run.watch = _watch_record(path, piece, process)
    if process is not None:
        run.command, run.cwd = list(process.argv), process.cwd
    bases = ([Path(process.cwd)] if process and process.cwd else []) + bases_of(path)
    folder = printed_run_dir(piece.part.save_dir, bases) if piece.part.save_dir else run_dir(path.parent)
    if folder is not None:
        run.folder = folder.path  # its weights change as long as it trains
        list(apply_option_files(run, folder))
    apply_printed_options(run)
    return run


def _watch_record(path: Path, piece: Piece, process: RunningProcess | None) -> WatchRecord:
    status = path.stat()
    attached = [ProcessIdentity(**process.identity._asdict())] if process else []
    identities = [ProcessIdentity(**writer._asdict()) for writer in writers(status.st_dev, status.st_ino)]
    return WatchRecord(
        path=str(path.absolute()),
        device=status.st_dev,
        inode=status.st_ino,
        begins=piece.part.begins,
        process=attached[0] if attached else None,
        writers=identities,
        started_at=_started(attached or identities),
        grown_at=None if identities else datetime.fromtimestamp(status.st_mtime, UTC),
    )


def _started(processes: Sequence[ProcessIdentity]) -> datetime:
    """Return when the oldest process started; now if there is none."""
    ticks = [process.start_time for process in processes if process.boot_id == boot_id()]
    if not ticks:
        return datetime.now(UTC)
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    age = max(uptime - min(ticks) / os.sysconf("SC_CLK_TCK"), 0.0)
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - age, UTC)


def _name(run: DiscoveredRun, process: RunningProcess | None) -> str:
    """Derive the run name from `--name` of the process, else its script, else the file."""
    if process is not None:
        match = _NAME.search(" ".join(process.argv))
        script = next((Path(part).stem for part in process.argv[1:] if part.endswith(".py")), "")
        text = match[1] if match else script
    else:
        text = ""
    name = "".join(char if char.isprintable() and char != "/" else "_" for char in text or run.name).strip().lstrip("-")
    return name or "log"
