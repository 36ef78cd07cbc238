"""Completion as a user has it: the shells themselves, over run folders and nothing else."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.cli.test_main import HEAVY, STORE
from tests.conftest import REPOSITORY

SECONDS = 60.0
EDITOR_ON = "\x1b[?2004h"
"""zsh asks for bracketed paste when its editor starts to read."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's folder with `yoloqat` on the PATH, and a workspace that holds two runs of a group and a deleted one."""
    program = tmp_path / "bin" / "yoloqat"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m app.cli.main "$@"\n')
    program.chmod(0o755)
    (tmp_path / "empty").mkdir()
    for where, run_id, name in (
        ("runs", "20260101-000000-aaaa", "relu-first"),
        ("runs", "20260101-000001-bbbb", "qat-second"),
        ("trash", "20260101-000002-cccc", "gone"),
    ):
        folder = tmp_path / "workspace" / where / run_id
        folder.mkdir(parents=True)
        (folder / "spec.yaml").write_text(f"id: {run_id}\nname: {name}\ngroup: chain\nstage: command\n")
    (tmp_path / "workspace" / "runs" / "20260101-000000-aaaa" / "user.json").write_text('{"tags": ["baseline"]}')
    hostile = tmp_path / "workspace" / "runs" / "20260101-000003-dddd"
    hostile.mkdir()
    (hostile / "spec.yaml").write_text('id: 20260101-000003-dddd\nname: "\\e]0;title\\a"\nstage: command\n')
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "YOLOQAT_WORKSPACE": str(home / "workspace"),
        "HOME": str(home),
        "TERM": "dumb",
        **more,
    }


def in_bash(home: Path, line: str, **variables: str) -> list[str]:
    script = f"""
        eval "$(yoloqat completion bash)"
        COMP_LINE={line!r} COMP_POINT={len(line)}
        _python_argcomplete yoloqat
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return shell(home, ["bash", "--norc", "-c", script], **variables)


def in_fish(home: Path, line: str) -> list[str]:
    script = f"yoloqat completion fish | source; complete -C {line!r}"
    return [text.partition("\t")[0] for text in shell(home, ["fish", "--no-config", "-c", script])]


def shell(home: Path, command: list[str], **variables: str) -> list[str]:
    done = subprocess.run(
        command,
        cwd=home / "empty",
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stderr == ""
    return [text.strip() for text in done.stdout.splitlines() if text.strip()]


def in_zsh(home: Path, line: str) -> list[str]:
    """Type into a zsh of a terminal's: its completion works in no other."""
    start = "PS1='READY '; autoload -U compinit; compinit -D; eval \"$(yoloqat completion zsh)\"; echo BEG''UN"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home / "empty")
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment(home))
    try:
        os.write(terminal, f"{start}\n".encode())
        # Before zsh's editor is on, the terminal takes ^D itself, as the end of the input.
        read_until(terminal, lambda text: EDITOR_ON in text.partition("BEGUN")[2])
        # ^D where a word may go on lists what it may be
        os.write(terminal, f"{line}\x04".encode())
        shown = read_until(terminal, lambda text: f"READY {line.rstrip()}" in text)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    listed = [text.partition(" -- ")[0] for text in shown.splitlines() if text.strip() and "yoloqat" not in text]
    return [word for text in listed for word in text.split()]


def read_until(terminal: int, condition: Callable[[str], bool]) -> str:
    text, deadline = "", time.monotonic() + SECONDS
    while not condition(text):
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 0.5)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text


SHELLS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


@pytest.fixture(params=SHELLS)
def completions(request: pytest.FixtureRequest, home: Path) -> Callable[[str], list[str]]:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} on this machine")
    return lambda line: SHELLS[request.param](home, line)


def test_every_shell_completes_runs_and_groups_and_leaves_out_what_cannot_be_typed(
    completions: Callable[[str], list[str]],
) -> None:
    assert sorted(completions("yoloqat stop ")) == ["chain", "qat-second", "relu-first"]


def test_every_shell_completes_commands_and_stages(completions: Callable[[str], list[str]]) -> None:
    assert {"resume", "release", "rename", "reindex", "retrain"} <= set(completions("yoloqat re"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("yoloqat show ", {"relu-first", "qat-second"}),
        ("yoloqat show q", {"qat-second"}),
        ("yoloqat undelete ", {"gone"}),
        ("yoloqat tag relu-first ", {"baseline"}),
        ("yoloqat move qat-second --before ", {"relu-first", "qat-second"}),
        ("yoloqat move --fi", {"--first"}),
        ("yoloqat retrain --act si", {"silu"}),
        ("yoloqat pipeline re", {"relu-int8"}),
        ("yoloqat pipeline absent", set()),
        ("yoloqat rename relu-first ", set()),
    ],
)
def test_what_an_argument_may_be(home: Path, line: str, expected: set[str]) -> None:
    assert set(in_bash(home, line)) == expected


def test_the_workspace_that_is_typed_counts_and_is_not_made(home: Path) -> None:
    assert in_bash(home, f"yoloqat --workspace {home}/absent stop ") == []
    assert not (home / "absent").exists()
    line = f"yoloqat stop --workspace {home}/workspace re"
    assert in_bash(home, line, YOLOQAT_WORKSPACE=f"{home}/absent") == ["relu-first"]


def test_completing_creates_and_says_nothing_even_where_the_settings_are_wrong(home: Path) -> None:
    before = sorted(home.rglob("workspace/**/*"))
    in_bash(home, "yoloqat stop ")
    assert sorted(home.rglob("workspace/**/*")) == before
    (home / ".config" / "yoloqat").mkdir(parents=True)
    (home / ".config" / "yoloqat" / "settings.yaml").write_text("no: settings")
    assert in_bash(home, "yoloqat stop ", YOLOQAT_WORKSPACE="") == []


def test_completing_loads_neither_the_store_nor_what_computes(home: Path) -> None:
    code = (
        "import atexit, os, sys\n"
        "def told(code):\n"
        "    print(*{name.partition('.')[0] for name in sys.modules}); sys.stdout.flush(); os.kill(os.getpid(), 9)\n"
        "os._exit = told\n"
        "from app.cli.main import main\n"
        "main([])"
    )
    line = "yoloqat stop "
    variables = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    answers = home / "answers"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=environment(home, _ARGCOMPLETE_STDOUT_FILENAME=str(answers), **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "relu-first" in answers.read_text()
    loaded = set(done.stdout.split())
    assert "argcomplete" in loaded
    assert not loaded & {*HEAVY, *STORE}
