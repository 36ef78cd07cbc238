"""No string of a workspace commands the terminal, in whatever command, table or error it stands."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pytest
import yaml

from tests.app.cli.conftest import Cli
from tests.waiting import patience

BAD = "x\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\x1b]0;t\x1b\\\u202e"
COMMANDING = ("\x1b]", "\x1b[2J", "\x9b", "\u202e", "\x07")


def poison(value: object) -> object:
    """Put escape sequences into every string."""
    if isinstance(value, str):
        return value + BAD
    if isinstance(value, list):
        return [poison(item) for item in value]
    if isinstance(value, dict):
        return {key: poison(item) for key, item in value.items()}
    return value


@pytest.fixture
def poisoned(cli: Cli) -> str:
    """The id of a run whose records are full of them; what is not free text stays as it is."""
    run_id = cli.train(2, name="a")
    cli.wait(run_id)
    folder = cli.workspace.run(run_id)
    spec = yaml.safe_load(folder.spec.read_text())
    free = ("name", "group", "pipeline", "step", "command", "cwd", "options", "env", "imported_from")
    folder.spec.write_text(
        yaml.safe_dump({k: poison(v) if k in free else v for k, v in spec.items()}, allow_unicode=True)
    )
    folder.user.write_text(json.dumps({"name": f"n{BAD}", "tags": [f"t{BAD}"], "notes": f"note{BAD}"}))
    outcome = folder.attempt(1).outcome
    outcome.write_text(json.dumps({**json.loads(outcome.read_text()), "exit_code": 3, "reason": f"why{BAD}"}))
    process = folder.attempt(1).process
    record = json.loads(process.read_text())
    process.write_text(json.dumps({**record, "provenance": poison(record["provenance"])}))
    return run_id


def commands(run_id: str) -> list[tuple[str, ...]]:
    return [
        ("ls",),
        ("ls", "--json"),
        ("show", run_id),
        ("show", run_id, "--json"),
        ("compare", run_id, run_id),
        ("log", run_id),
        ("note", run_id),
        ("tag", run_id),
        ("tag", run_id, "more"),
        ("archive", run_id),
        ("stop", run_id),
        ("resume", run_id),
        ("hold", run_id),
        ("show", f"gone{BAD}"),
        ("import", f"gone{BAD}.log"),
        ("pipeline", f"gone{BAD}.yaml"),
        ("watch", f"gone{BAD}.log"),
        ("doctor",),
        ("du",),
        ("rename", run_id, "plain"),
        ("delete", run_id),
        ("trash",),
        ("undelete", run_id),
    ]


def test_no_command_passes_on_an_escape_sequence(cli: Cli, poisoned: str) -> None:
    for command in commands(poisoned):
        answer = cli(*command)
        for text in (answer.out, answer.err):
            assert "\x1b" not in text, command
            assert not [sign for sign in COMMANDING if sign in text], command
        if "--json" in command:
            json.loads(answer.out)


def test_on_a_terminal_only_our_own_sequences_are_written(cli: Cli, poisoned: str) -> None:
    for command in (("ls",), ("show", poisoned), ("compare", poisoned, poisoned)):
        text = on_terminal(cli, command)
        assert "\x1b[31mfailed\x1b[0m" in text or command[0] != "ls", "our colours are"
        assert not [sign for sign in COMMANDING if sign in text], command


def test_no_screen_passes_on_an_escape_sequence(cli: Cli, poisoned: str) -> None:
    assert cli("ls").code == 0
    screen = Terminal([sys.executable, "-P", "-m", "app.tui"], cli)
    screen.until("failed")
    for keys in ("\r", "s", "\x1b", "\x1b"):
        screen.press(keys)
        screen.read(0.5)
    screen.press("q")
    screen.read(5, ends=True)
    assert "\x1b[" in screen.text
    for sign in ("\x1b]52", "\x1b]0;t", "\x9b", "\u202e"):
        assert sign not in screen.text, sign


def on_terminal(cli: Cli, command: tuple[str, ...]) -> str:
    terminal = Terminal(cli.command(*command), cli)
    terminal.read(patience(30), ends=True)
    return terminal.text


class Terminal:
    """A command on a terminal of 140 by 40 cells."""

    def __init__(self, command: list[str], cli: Cli) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        environment = {**cli.environment, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=cli.directory,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._received = b""

    @property
    def text(self) -> str:
        return self._received.decode(errors="replace")

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, word: str) -> None:
        deadline = time.monotonic() + patience(30)
        while word not in self.text and time.monotonic() < deadline:
            self.read(0.2)
        assert word in self.text, self.text

    def read(self, seconds: float, *, ends: bool = False) -> None:
        """Read for so long, or until the command ends, which is then collected."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self._ours], [], [], 0.05)[0]:
                try:
                    self._received += os.read(self._ours, 65536)
                except OSError:
                    break
        if ends:
            self._process.kill()
            self._process.wait()
            os.close(self._ours)
