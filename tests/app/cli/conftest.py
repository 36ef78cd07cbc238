"""`yoloqat` as its user has it: in a directory of the user's, with a workspace of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from app.cli.main import main
from app.launching.stop import run_status, stop_run
from engine.contracts.run_folder import Workspace
from tests.conftest import REPOSITORY
from tests.in_process import Streams, run_in_process
from tests.waiting import patience, wait_until

TRAINER = Path(__file__).with_name("trainer.py")


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs commands in a user's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "user"
        self.directory.mkdir()
        shutil.copy(TRAINER, self.directory / "train.py")
        self.workspace = Workspace(directory / "workspace")
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
            "PYTHONPATH": str(REPOSITORY),
            "YOLOQAT_WORKSPACE": str(self.workspace.path),
            "YOLOQAT_INDEX_WAIT": "60",  # on a busy machine, 5 s may be too little for the indexer to start
            "XDG_CONFIG_HOME": str(directory / "config"),
            "XDG_DATA_HOME": str(directory / "data"),
        }

    def command(self, *arguments: str) -> list[str]:
        """argv of a command."""
        return [sys.executable, "-P", "-m", "app.cli.main", *arguments]

    def __call__(self, *arguments: str, **environment: str) -> Answer:
        """Run a command in this process, which saves the second that a new one takes to import everything."""
        with (
            mock.patch.dict(os.environ, {**self.environment, **environment}, clear=True),
            contextlib.chdir(self.directory),
            Streams() as streams,
        ):
            code = run_in_process(main, arguments)
        return Answer(code, streams.out, streams.err)

    def as_process(self, *arguments: str, **environment: str) -> Answer:
        """Run a command in a process of its own, where the process is the point."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=patience(60),
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    def train(self, epochs: int, pause: float = 0.02, name: str = "train") -> str:
        """Launch the trainer, detached. Returns the run's id."""
        answer = self("run", "--name", name, "--", sys.executable, "train.py", str(epochs), str(pause))
        assert answer.code == 0, answer.err
        return answer.out.split()[0]

    def wait(self, run_id: str, timeout: float = 30) -> None:
        """Wait until a run has ended."""
        wait_until(lambda: not run_status(self.workspace, run_id).state.is_live, timeout)


def until(true: Callable[[], bool], timeout: float = 30) -> None:
    """Wait until something holds."""
    wait_until(true, timeout)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The command, and at the end nothing that still runs."""
    cli = Cli(tmp_path)
    yield cli
    folders = cli.workspace.run_folders()
    for folder in folders:
        stop_run(cli.workspace, folder.id, now=True)
    until(lambda: not any(run_status(cli.workspace, folder.id).state.is_live for folder in folders))
