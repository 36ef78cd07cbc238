"""Whether a watched process lives: by its identity, and by who holds its log open for writing."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.contracts.attempt_records import ProcessIdentity
from engine.contracts.run_folder import AttemptFolder
from engine.contracts.watching import WatchRecord
from engine.runner.processes.identity import identify
from engine.supervise.state.open_files import open_files, readers_of_pipe, writers
from engine.supervise.state.watched import observe


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptFolder:
    made = AttemptFolder(tmp_path / "1")
    made.path.mkdir()
    return made


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes train.log, and reads from a pipe."""
    with (tmp_path / "train.log").open("ab") as output:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=output)
    yield process
    process.kill()
    process.communicate()


def identity(pid: int, **changes: Any) -> ProcessIdentity:
    found = identify(pid)
    assert found is not None
    return ProcessIdentity(**{**found._asdict(), **changes})


def record(attempt: AttemptFolder, path: Path, **changes: Any) -> WatchRecord:
    status = path.stat()
    made = WatchRecord(
        path=str(path), device=status.st_dev, inode=status.st_ino, started_at=datetime.now(UTC)
    ).model_copy(update=changes)
    made.write(attempt.watch)
    return made


def test_who_writes_a_file(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    status = (tmp_path / "train.log").stat()
    with (tmp_path / "train.log").open("rb"):
        assert [writer.pid for writer in writers(status.st_dev, status.st_ino)] == [process.pid], "readers do not count"
    (tmp_path / "train.log").rename(tmp_path / "renamed.log")
    assert [writer.pid for writer in writers(status.st_dev, status.st_ino)] == [process.pid]
    process.kill()
    process.wait()
    assert writers(status.st_dev, status.st_ino) == []


def test_who_reads_a_pipe(process: subprocess.Popen[bytes]) -> None:
    pipe = next(file.target for file in open_files(process.pid) if file.number == 0)
    assert pipe.startswith("pipe:")
    assert readers_of_pipe(pipe) == [process.pid]


def test_a_writer_of_before_and_another_one(
    tmp_path: Path, attempt: AttemptFolder, process: subprocess.Popen[bytes]
) -> None:
    log = tmp_path / "train.log"
    gone = identity(os.getpid(), start_time=1)
    record(attempt, log, writers=[gone])
    seen = observe(attempt)
    assert seen is not None
    assert (seen.is_alive, seen.reason.endswith(f"(pid {process.pid})")) == (True, True)


@pytest.mark.parametrize(
    ("changes", "alive", "rebooted"),
    [({"start_time": 1}, False, False), ({"boot_id": "another"}, False, True), ({"pid_namespace": "x"}, True, False)],
    ids=["its pid is another's now", "the machine restarted", "in another container"],
)
@pytest.mark.parametrize("role", ["writers", "process"])
def test_a_process_that_is_not_there(
    tmp_path: Path, attempt: AttemptFolder, role: str, changes: dict[str, Any], alive: bool, rebooted: bool
) -> None:
    (tmp_path / "train.log").touch()
    one = identity(os.getpid(), **changes)
    record(attempt, tmp_path / "train.log", **{role: one if role == "process" else [one]})
    seen = observe(attempt)
    assert seen is not None
    assert (seen.is_alive, seen.rebooted) == (alive, rebooted)


@pytest.mark.parametrize(
    ("ago", "gap", "alive"), [(10, 0, True), (90, 0, False), (90, 40, True), (130, 40, False), (None, 0, False)]
)
def test_a_file_that_nobody_is_seen_to_write(
    tmp_path: Path, attempt: AttemptFolder, ago: int | None, gap: float, alive: bool
) -> None:
    (tmp_path / "train.log").touch()
    grown = None if ago is None else datetime.now(UTC) - timedelta(seconds=ago)
    record(attempt, tmp_path / "train.log", grown_at=grown, longest_gap=gap)
    seen = observe(attempt)
    assert seen is not None
    assert seen.is_alive is alive


def test_one_elsewhere_is_taken_to_be_gone_after_an_hour(tmp_path: Path, attempt: AttemptFolder) -> None:
    (tmp_path / "train.log").touch()
    attempt.console.touch()
    record(attempt, tmp_path / "train.log", process=identity(os.getpid(), pid_namespace="x"))
    seen = observe(attempt)
    assert seen is not None
    assert seen.is_alive
    os.utime(attempt.console, (time.time() - 4000,) * 2)
    seen = observe(attempt)
    assert seen is not None
    assert not seen.is_alive


def test_one_that_has_ended_stays_so(tmp_path: Path, attempt: AttemptFolder, process: subprocess.Popen[bytes]) -> None:
    record(attempt, tmp_path / "train.log", writers=[identity(process.pid)], ended_at=datetime.now(UTC))
    seen = observe(attempt)
    assert seen is not None
    assert not seen.is_alive
    attempt.watch.write_text("{")
    assert observe(attempt) is None
