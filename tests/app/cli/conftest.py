"""`yoloqat` as its user has it: a process of its own, in a directory of the user's, with a workspace of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.launching.stop import run_status, stop_run
from engine.contracts.run_folder import Workspace
from tests.conftest import REPOSITORY

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

    def __call__(self, *arguments: str, timeout: float = 60, **environment: str) -> Answer:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
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
        until(lambda: not run_status(self.workspace, run_id).state.is_live, timeout)


def until(true: Callable[[], bool], timeout: float = 30) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The command, and at the end nothing that still runs."""
    cli = Cli(tmp_path)
    yield cli
    folders = cli.workspace.run_folders()
    for folder in folders:
        stop_run(cli.workspace, folder.id, now=True)
    until(lambda: not any(run_status(cli.workspace, folder.id).state.is_live for folder in folders))
