"""An odd environment costs a sentence, never a traceback: what is missing, and what to do."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.app.cli.conftest import Answer, Cli
from tests.waiting import patience

BLOCKED = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("{name}", "_{name}"):
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

sys.meta_path.insert(0, Finder())
"""
READING = (["ls"], ["show", "done"], ["compare", "done"], ["log", "done"], ["doctor"], ["queue"])
XDG = ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")


def some(values: Sequence[Any], *quick: int) -> list[Any]:
    """Parameters, of which only those of these numbers are quick: each takes a second or two."""
    marks = (() if number in quick else (pytest.mark.slow,) for number in range(len(values)))
    return [pytest.param(value, marks=each) for value, each in zip(values, marks, strict=True)]


@pytest.fixture
def done(cli: Cli) -> Cli:
    """A workspace with a run that has ended."""
    cli("run", "-f", "--name", "done", "--", "true")
    assert cli("ls").code == 0
    return cli


def shell(cli: Cli, script: str, *arguments: str, **environment: str | None) -> Answer:
    """Run a command by a shell script, in which "$@" is the command. None removes a variable."""
    changed = {**cli.environment, **environment}
    answer = subprocess.run(
        [BASH, "-c", script, "bash", *cli.command(*arguments)],
        cwd=cli.directory,
        env={name: value for name, value in changed.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(60),
    )
    assert "Traceback" not in answer.stderr, answer.stderr
    return Answer(answer.returncode, answer.stdout, answer.stderr)


BASH = shutil.which("bash") or "/bin/bash"
DELETED = 'folder=$(mktemp -d); cd "$folder"; rmdir "$folder"; exec "$@"'


@pytest.mark.parametrize("arguments", some(READING, 0, 4), ids=lambda arguments: arguments[0])
def test_reading_needs_no_working_directory(done: Cli, arguments: list[str]) -> None:
    assert shell(done, DELETED, *arguments).code == 0


@pytest.mark.parametrize("arguments", [["run", "--", "true"], ["import", "x.log"], ["watch", "x.log"]])
def test_what_needs_the_deleted_working_directory_says_so(cli: Cli, arguments: list[str]) -> None:
    answer = shell(cli, DELETED, *arguments)
    assert answer.code == 2
    assert "the working directory was deleted\n  Change to one that exists: `cd`." in answer.err


@pytest.mark.parametrize("home", some([None, "", "/nonexistent/home"], 0))
def test_no_home(done: Cli, home: str | None, tmp_path: Path) -> None:
    nothing: dict[str, str | None] = dict.fromkeys(XDG)
    for arguments in READING[:2]:
        assert shell(done, 'exec "$@"', *arguments, HOME=home, **nothing).code == 0
    answer = shell(done, 'exec "$@"', "run", "--", "true", HOME=home, **nothing)
    assert answer.code in (0, 2), answer.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes a user whom nobody knows")
def test_a_user_without_an_entry_in_passwd(done: Cli) -> None:
    script = 'exec setpriv --reuid 54321 --inh-caps +dac_override --ambient-caps +dac_override "$@"'
    for arguments in (*READING[:2], ["run", "--", "true"]):
        assert shell(done, script, *arguments, HOME=None, USER=None, LOGNAME=None).code in (0, 2)


@pytest.mark.parametrize("name", ["sqlite3", "ctypes"])
def test_a_python_without_a_module_of_the_standard_library(done: Cli, tmp_path: Path, name: str) -> None:
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(BLOCKED.format(name=name))
    path = f"{tmp_path / 'blocked'}:{done.environment['PYTHONPATH']}"
    for arguments in (["ls"], ["--version"], ["--help"]):
        answer = shell(done, 'exec "$@"', *arguments, PYTHONPATH=path)
        assert answer.code in (0, 2)
        if answer.code:
            assert f"this Python has no module {name}" in answer.err
            assert sys.executable in answer.err
    if name == "sqlite3":
        assert shell(done, 'exec "$@"', "ls", PYTHONPATH=path).code == 2


def can_unshare() -> bool:
    with contextlib.suppress(OSError):
        return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    return False


@pytest.mark.skipif(not can_unshare(), reason="namespaces cannot be made here")
class TestNamespaces:
    def test_without_proc_nothing_is_taken_for_lost(self, done: Cli) -> None:
        hidden = 'mount -t tmpfs none /proc && exec "$@"'
        for arguments in (["ls"], ["show", "done"], ["run", "--", "true"], ["stop", "done"]):
            answer = shell(done, f"exec unshare -m sh -c '{hidden}' sh \"$@\"", *arguments)
            assert answer.code == 2, arguments
            assert "there is no /proc" in answer.err
            assert "mount -t proc proc /proc" in answer.err
        for arguments in (["--version"], ["log", "done"], ["doctor"]):
            assert shell(done, f"exec unshare -m sh -c '{hidden}' sh \"$@\"", *arguments).code == 0, arguments

    def test_process_1_of_a_container_says_that_its_runs_end_with_it(self, done: Cli, tmp_path: Path) -> None:
        other = {"YOLOQAT_WORKSPACE": str(tmp_path / "other")}  # what ran in the container cannot be stopped from here
        answer = shell(done, 'exec unshare -pf --mount-proc "$@"', "run", "--", "sleep", "60", **other)
        assert answer.code == 0
        assert "yoloqat is process 1 of this container" in answer.err
        assert "use `run -f`" in answer.err
        report = shell(done, 'exec unshare -pf --mount-proc "$@"', "doctor")
        assert "not an init" in report.out


@pytest.mark.parametrize("closed", some(["<&-", ">&-", "2>&-", "<&- >&- 2>&-"], 3))
def test_closed_streams(done: Cli, closed: str) -> None:
    assert shell(done, f'exec "$@" {closed}', "ls").code == 0
    assert shell(done, f'exec "$@" {closed}', "--help").code == 0
    launched = shell(done, f'exec "$@" {closed}', "run", "--name", "printer", "--", "echo", "printed")
    assert launched.code == 0
    (run,) = [run for run in done("ls", "--json").json()["runs"] if run["name"] == "printer"]
    done.wait(run["id"])
    assert done("log", "printer").out == "printed\n"
    for file in (done.workspace.database, done.workspace.run(run["id"]).spec):
        assert b"printed\n" not in file.read_bytes()[:20], "no file became stdout"


@pytest.mark.parametrize(
    "environment",
    some(
        [
            {"TMPDIR": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent"},
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            {"COLUMNS": "garbage", "LINES": "-3"},
            {"LC_ALL": "xx_YY.nothing", "TZ": "Nowhere/Land"},
            {"PATH": ""},
        ],
        1,
        4,
    ),
    ids=lambda environment: next(iter(environment)),
)
def test_odd_variables(done: Cli, environment: dict[str, str]) -> None:
    for arguments in (["ls"], ["show", "done"], ["run", "--name", "next", "--", sys.executable, "-c", "pass"]):
        assert shell(done, 'exec "$@"', *arguments, **environment).code == 0
    assert json.loads(shell(done, 'exec "$@"', "ls", "--json", **environment).out)["runs"]
