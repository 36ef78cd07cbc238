"""`yoloqat import`, `watch` and `attach`, as a user types them."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.launching.stop import run_status
from engine.contracts.states import RunState
from tests.app.cli.conftest import Cli, until
from tests.app.importing.test_import_trees import results_txt, training, write_run
from tests.waiting import patience


@pytest.fixture
def trainer(cli: Cli) -> Iterator[subprocess.Popen[bytes]]:
    """A training that yoloqat did not start, with its log in train.log."""
    with (cli.directory / "train.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "train.py", "500", "0.05"], cwd=cli.directory, stdout=output, stderr=output
        )
    yield process
    process.kill()
    process.wait()
    until(lambda: not any(run_status(cli.workspace, f.id).state.is_live for f in cli.workspace.run_folders()))


def test_a_tree_file_by_file(cli: Cli) -> None:
    project = cli.directory / "project"
    write_run(project / "runs" / "train" / "exp", results=results_txt())
    (project / "nohup.out").write_bytes(b"what nobody knows\n" + training("runs/train/exp"))
    tried = cli("import", "--dry-run", "project")
    assert (tried.code, tried.err.splitlines()[-1]) == (0, "would import: 1 run: 1 new")
    assert cli("ls", "--json").json()["runs"] == []
    done = cli("import", "project", COLUMNS="120")
    assert done.err.splitlines()[-1] == "1 run: 1 new"
    rows = {line.split()[0]: line.split()[1:] for line in done.out.splitlines()}
    assert rows["nohup.out"] == ["exp", "yolov7", "3", "0", "1", "of", "16"]
    assert rows["results.txt"] == ["exp", "results.txt", "3", "0", "0", "of", "3"]
    assert rows["opt.yaml"] == ["exp", "opt.yaml"]
    assert rows["best.pt"] == ["exp", "best"]
    narrow = cli("import", "--dry-run", "--name", "a-name-of-many-letters", str(project), COLUMNS="60")
    assert max(map(len, narrow.out.splitlines())) <= 60
    again = cli("import", "project")
    assert again.err.splitlines()[-1] == "nothing to add; 1 run: 1 known"
    document = cli("import", "--json", "project").json()
    assert {file["status"] for file in document["imported"]} == {"known"}
    assert (document["runs"], document["others"], document["dry_run"]) == (1, 0, False)


def test_a_log_into_which_the_command_itself_prints_is_not_printed(cli: Cli, trainer: subprocess.Popen[bytes]) -> None:
    with (cli.directory / "train.log").open("ab") as log:
        command = cli.command("attach", str(trainer.pid), "--name", "theirs")
        done = subprocess.run(
            command,
            cwd=cli.directory,
            env=cli.environment,
            stdout=log,
            stderr=subprocess.PIPE,
            timeout=patience(60),
            check=False,
        )
    assert done.returncode == 0
    assert b"the log is watched but not printed" in done.stderr
    (run,) = cli("ls", "--json").json()["runs"]
    assert (run["name"], run["state"]) == ("theirs", "running")


def test_a_file_of_two_trainings_has_its_name_twice(cli: Cli) -> None:
    (cli.directory / "nohup.out").write_bytes(training("runs/train/exp") + training("runs/train/exp2"))
    rows = cli("import", "nohup.out").out.splitlines()[1:]
    assert [row.split()[:2] for row in rows] == [["nohup.out", "exp"], ["nohup.out", "exp2"]]


def test_a_watched_run_outlives_the_command(cli: Cli, trainer: subprocess.Popen[bytes]) -> None:
    watching = subprocess.Popen(
        cli.command("watch", "train.log", "--name", "theirs"),
        cwd=cli.directory,
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout
    first = watching.stdout.readline()
    assert first.startswith("theirs (")
    assert f"running, written by python (pid {trainer.pid})" in first.replace("python3", "python")
    time.sleep(1)
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=patience(30))
    assert watching.returncode == 130
    assert "100%|" in out, "the log is printed meanwhile"
    assert "theirs is still watched" in err
    (before,) = cli("ls", "--json").json()["runs"]
    until(lambda: cli("ls", "--json").json()["runs"][0]["epochs_done"] > before["epochs_done"])
    refused = cli("stop", "theirs")
    assert (refused.code, "was not started by yoloqat" in refused.err) == (2, True)
    trainer.send_signal(signal.SIGINT)
    trainer.wait(patience(10))
    until(lambda: cli("ls", "--json").json()["runs"][0]["state"] == "ended")


def test_the_end_of_the_process_ends_the_command(cli: Cli, trainer: subprocess.Popen[bytes]) -> None:
    attached = subprocess.Popen(
        cli.command("attach", str(trainer.pid)),
        cwd=cli.directory,
        env=cli.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert attached.stdout
    assert attached.stdout.readline().startswith("train (")
    trainer.kill()
    trainer.wait()
    _, err = attached.communicate(timeout=patience(30))
    assert attached.returncode == 0
    assert err.splitlines()[-1].startswith("train: ended")


def test_attached_as_json(cli: Cli, trainer: subprocess.Popen[bytes]) -> None:
    document = cli("attach", str(trainer.pid), "--json").json()
    assert (document["name"], document["pid"], document["state"]) == ("train", trainer.pid, RunState.RUNNING.value)
    assert document["log"] == str(cli.directory / "train.log")
    shown = cli("show", "train", "--json").json()
    assert shown["command"][-4:] == ["-u", "train.py", "500", "0.05"]
    assert shown["cwd"] == str(cli.directory)
    again = cli("watch", "train.log", "--once")
    assert "(already watched): running" in again.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["attach", "4194305"], "there is no process 4194305"),
        (["watch", "nowhere.log"], "there is no such file"),
        (["import", "nowhere"], "cannot be read: No such file"),
        (["import", "."], "no run found"),
    ],
)
def test_what_cannot_be_done_is_told(cli: Cli, arguments: list[str], words: str) -> None:
    answer = cli(*arguments)
    assert (answer.code, words in answer.err) == (2, True), answer.err


def test_another_users_process_is_not_looked_at(cli: Cli) -> None:
    if os.geteuid() == 0 or Path("/proc/1").stat().st_uid == os.geteuid():
        pytest.skip("all processes here are this user's, or may be looked at")
    answer = cli("attach", "1")
    assert (answer.code, "another user's" in answer.err) == (2, True)


def test_a_terminal_sees_how_far_an_import_is(cli: Cli) -> None:
    for number in range(3):
        write_run(cli.directory / "runs" / f"exp{number}", results=results_txt(shift=number / 10))
    parent, child = pty.openpty()
    command = cli.command("import", "--json", "runs")
    with subprocess.Popen(
        command, cwd=cli.directory, env={**cli.environment, "TERM": "xterm"}, stdout=subprocess.DEVNULL, stderr=child
    ) as process:
        os.close(child)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal tells its end
            while data := os.read(parent, 65536):
                shown += data
        os.close(parent)
    assert process.returncode == 0
    assert b"indexing" in shown
    assert b"3/3" in shown
    assert "indexing" not in cli("import", "runs").err, "where nobody sees a bar, there is none"
