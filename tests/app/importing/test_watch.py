"""Logs of processes that were not started here: live runs as long as these live, whatever becomes of the file."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.importing.import_logs import import_paths
from app.importing.watch import attach, watch_log
from app.launching.stop import run_status, stop_run
from app.runs.reader import find_run, get_detail, list_runs, wait_until_indexed
from app.runs.trash import delete_runs, undelete_runs
from engine.contracts.attempt_records import ProcessRecord
from engine.contracts.errors import YoloqatError
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from tests.app.importing.test_import_trees import training, write_run
from tests.app.indexing.index_fixtures import train, until, workspace

__all__ = ["workspace"]
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@dataclass
class Writer:
    """A program that prints what it is told to, and ends when it is told nothing more."""

    process: subprocess.Popen[bytes]

    def print(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


Start = Callable[..., Writer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts writers; none is left at the end."""
    started: list[Writer] = []

    def start(path: Path | None, *arguments: str, mode: str = "ab", shell: str = "") -> Writer:
        command = ["sh", "-c", shell] if shell else [sys.executable, "-c", ECHO, *arguments]
        with (path or Path(os.devnull)).open(mode) as output:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
            )
        started.append(Writer(process))
        return started[-1]

    yield start
    for writer in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(writer.process.pid, signal.SIGKILL)
        writer.process.wait()


def lines(epochs: int = 3, **options: float) -> list[bytes]:
    return training(epochs=epochs, **options).splitlines(keepends=True)


def epochs_done(workspace: Workspace) -> int:
    """As the store has it: nobody but the indexer brings it up to date."""
    from db.reading.database import reading
    from db.reading.runs import list_runs

    with reading(workspace.database) as connection:
        runs = list_runs(connection) if connection is not None else []
    return runs[0].epochs_done or 0 if runs else 0


def ended(workspace: Workspace, reference: str) -> None:
    """Wait until a run has ended, and all of it has been read."""
    until(lambda: find_run(workspace, reference).state is RunState.ENDED)
    wait_until_indexed(workspace, find_run(workspace, reference).id)


def test_a_run_lives_as_long_as_somebody_writes_its_log(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "train.log"
    writer = start(path)
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.stat().st_size > 0)
    watched = watch_log(workspace, path)
    assert (watched.name, watched.is_new, watched.earlier_runs) == ("train", True, 0)
    run = find_run(workspace, "train")
    assert (run.state, run.source, run.epochs_done) == (RunState.RUNNING, "watched", 1)
    assert run.reason.startswith("written by python")
    assert f"(pid {writer.process.pid})" in run.reason
    writer.print(b"".join(lines()[5:9]))
    until(lambda: epochs_done(workspace) == 2)
    writer.print(b"".join(lines()[9:]))
    writer.end()
    ended(workspace, "train")
    run = find_run(workspace, "train")
    assert (run.epochs_done, run.reason) == (3, "complete: 3 epochs in 0.100 hours")
    assert workspace.run(run.id).attempt(1).console.read_bytes() == path.read_bytes()


def test_watching_again_and_importing_make_no_second_run(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "train.log"
    writer = start(path)
    first = watch_log(workspace, path)
    writer.print(lines()[0])
    until(lambda: path.stat().st_size > 0)
    again = watch_log(workspace, path)
    assert (again.run_id, again.is_new) == (first.run_id, False)
    writer.print(b"".join(lines()[1:]))
    until(lambda: epochs_done(workspace) == 3)
    assert import_paths(workspace, [path]).count("known") == 1
    writer.end()
    ended(workspace, "train")
    assert import_paths(workspace, [tmp_path]).count("known") == 1
    assert len(list_runs(workspace)) == 1


def test_a_log_that_nobody_writes_has_ended(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(training(epochs=2))
    os.utime(path, (time.time() - 600, time.time() - 600))
    watch_log(workspace, path)
    run = find_run(workspace, "train")
    assert (run.state, run.reason) == (RunState.ENDED, "cut off after epoch 1/2")


def test_a_log_that_is_opened_for_each_line_lives_while_it_grows(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "results.log"
    path.write_bytes(b"".join(lines()[:5]))
    watch_log(workspace, path)
    run = find_run(workspace, "results")
    assert (run.state, run.reason) == (RunState.RUNNING, "it grows; who writes it cannot be seen from here")
    with path.open("ab") as file:
        file.write(b"".join(lines()[5:9]))
    until(lambda: epochs_done(workspace) == 2)
    workspace.run(run.id).attempt(1).watch.unlink()


@pytest.mark.parametrize("mode", ["ab", "wb"])
def test_a_log_that_is_truncated_goes_on_in_a_new_attempt(
    workspace: Workspace, tmp_path: Path, start: Start, mode: str
) -> None:
    path = tmp_path / "train.log"
    writer = start(path, mode=mode)
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.stat().st_size > 0)
    watched = watch_log(workspace, path)
    until(lambda: epochs_done(workspace) == 1)
    os.truncate(path, 0)
    writer.print(b"".join(lines()[5:]))
    until(lambda: epochs_done(workspace) == 3)
    run = find_run(workspace, watched.run_id)
    assert (run.state, run.attempt) == (RunState.RUNNING, 2)
    assert [epoch.attempt for epoch in get_detail(workspace, run.id).epochs] == [1, 2, 2]
    second = workspace.run(run.id).attempt(2).console
    assert second.read_bytes() == b"".join(lines()[5:]), "the hole that such a program leaves is not copied"


def test_a_log_that_is_rotated_is_read_to_its_end_and_then_the_new_one(
    workspace: Workspace, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "train.log"
    writer = start(path)
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.stat().st_size > 0)
    watched = watch_log(workspace, path)
    path.rename(tmp_path / "train.log.1")
    writer.print(b"".join(lines()[5:9]))
    until(lambda: epochs_done(workspace) == 2)
    other = start(path)
    other.print(b"".join(lines()[9:]))
    writer.end()
    until(lambda: epochs_done(workspace) == 3)
    run = find_run(workspace, watched.run_id)
    assert (run.state, run.attempt) == (RunState.RUNNING, 2)
    other.end()
    ended(workspace, watched.run_id)


def test_a_second_training_in_the_same_file_is_a_run_of_its_own(
    workspace: Workspace, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "nohup.out"
    path.write_bytes(training("runs/exp"))
    writer = start(path)
    writer.print(training("runs/exp2", epochs=1))
    until(lambda: path.read_bytes().count(b"Namespace") == 2 and path.read_bytes().endswith(b"\n"))
    time.sleep(0.2)
    watched = watch_log(workspace, path)
    assert watched.earlier_runs == 1
    run = find_run(workspace, watched.run_id)
    assert (run.epochs_done, run.state) == (1, RunState.RUNNING)
    assert import_paths(workspace, [path]).count("new") == 1
    assert len(list_runs(workspace)) == 2


def test_what_the_trainer_left_is_there_at_the_end(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "train.log"
    write_run(tmp_path / "runs" / "exp")
    writer = start(path)
    writer.print(training("runs/exp", epochs=1))
    until(lambda: path.exists() and path.read_bytes().endswith(b"\n"))
    watched = watch_log(workspace, path)
    (tmp_path / "runs" / "exp" / "weights" / "best.pt").write_bytes(b"better")
    writer.end()
    until(lambda: bool(get_detail(workspace, watched.run_id).artifacts))
    detail = get_detail(workspace, watched.run_id)
    assert detail.options["cfg"] == "cfg/yolov7.yaml"
    assert {artifact.role: artifact.size_bytes for artifact in detail.artifacts}["best"] == len(b"better")


def test_it_cannot_be_stopped_from_here(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "train.log"
    start(path)
    until(path.exists)
    watched = watch_log(workspace, path)
    with pytest.raises(YoloqatError, match="not started by yoloqat"):
        stop_run(workspace, watched.run_id)
    assert run_status(workspace, watched.run_id).stopping == ""


def test_a_deleted_one_is_no_longer_followed(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "train.log"
    writer = start(path)
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.stat().st_size > 0)
    watched = watch_log(workspace, path)
    delete_runs(workspace, [watched.run_id])
    assert list_runs(workspace) == []
    writer.print(b"".join(lines()[5:9]))
    undelete_runs(workspace)
    until(lambda: find_run(workspace, watched.run_id).epochs_done == 2)


def test_a_run_of_ours_is_not_watched_twice(workspace: Workspace) -> None:
    run_id = train(workspace, 100, 0.2)
    console = workspace.run(run_id).attempt(1).console
    until(lambda: console.exists() and console.stat().st_size > 0)
    process = ProcessRecord.read(workspace.run(run_id).attempt(1).process)
    assert process is not None
    assert process.stage is not None
    for watch in (lambda: watch_log(workspace, console), lambda: attach(workspace, process.stage.pid)):  # type: ignore[union-attr]
        with pytest.raises(YoloqatError, match="already follows this file"):
            watch()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "no such file"),
        (os.mkfifo, "not a regular file"),
    ],
)
def test_what_is_not_watched(workspace: Workspace, tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    make(tmp_path / "log")
    with pytest.raises(YoloqatError, match=words):
        watch_log(workspace, tmp_path / "log")


def test_attached_to_a_process(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "out.txt"
    writer = start(path, "--name", "tiny-relu", "--epochs", "3")
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.stat().st_size > 0)
    watched = attach(workspace, writer.process.pid)
    assert (watched.name, watched.log, watched.pid) == ("tiny-relu", path, writer.process.pid)
    detail = get_detail(workspace, "tiny-relu")
    assert detail.run.state is RunState.RUNNING
    assert detail.command[-4:] == ("--name", "tiny-relu", "--epochs", "3")
    assert detail.cwd == os.getcwd()
    writer.process.send_signal(signal.SIGKILL)
    writer.process.wait()
    ended(workspace, "tiny-relu")
    assert find_run(workspace, "tiny-relu").reason == "cut off after epoch 0/2"


def test_the_end_is_that_of_the_process_not_of_who_else_has_the_log_open(
    workspace: Workspace, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "train.log"
    writer, other = start(path), start(path)
    watched = attach(workspace, writer.process.pid)
    writer.end()
    ended(workspace, watched.run_id)
    assert other.process.poll() is None


def test_attached_through_tee(workspace: Workspace, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "train.log"
    writer = start(None, shell=f'{sys.executable} -c "{ECHO}" | tee {path} >/dev/null')
    writer.print(b"".join(lines()[:5]))
    until(lambda: path.exists() and path.stat().st_size > 0)
    children = subprocess.check_output(["ps", "-o", "pid=,comm=", "--ppid", str(writer.process.pid)], text=True)
    pid = next(int(line.split()[0]) for line in children.splitlines() if "python" in line)
    assert attach(workspace, pid).log == path


def test_attached_to_one_that_logs_into_a_file_of_its_own(workspace: Workspace, tmp_path: Path) -> None:
    code = "import sys, time; f = open(sys.argv[1], 'a'); f.write(sys.stdin.read()); f.flush(); print(); time.sleep(60)"
    path = tmp_path / "train.log"
    with subprocess.Popen(
        [sys.executable, "-uc", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(training(epochs=1))
        process.stdin.close()
        process.stdout.readline()
        try:
            assert attach(workspace, process.pid).log == path
        finally:
            process.kill()


def test_what_cannot_be_attached_to(workspace: Workspace, start: Start) -> None:
    thrown_away = start(None)
    gone = start(None)
    gone.end()
    with pytest.raises(YoloqatError, match="its stdout is /dev/null"):
        attach(workspace, thrown_away.process.pid)
    with pytest.raises(YoloqatError, match=f"no process {gone.process.pid}"):
        attach(workspace, gone.process.pid)
    thrown_away.process.kill()
    time.sleep(0.2)  # it is a zombie now, for nobody has waited for it
    with pytest.raises(YoloqatError, match="has ended"):
        attach(workspace, thrown_away.process.pid)


def test_a_terminal_cannot_be_followed(workspace: Workspace) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", ECHO], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        try:
            with pytest.raises(YoloqatError, match=r"its stdout is a terminal \(/dev/pts/"):
                attach(workspace, process.pid)
        finally:
            process.kill()
    os.close(ours)
    os.close(theirs)
