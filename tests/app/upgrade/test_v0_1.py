"""A workspace that version 0.1 has left: everything in it is shown as before, and goes on where it was.

`tests/fixtures/workspaces/v0_1` was recorded with that version as its machine went down: runners that waited, a run
asked to pause, a training and an indexer were killed. Paths, host and boot stand in it as placeholders.
"""

import json
import os
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from app.launching.queue import queued_runs
from app.workspace.run_names import find_id
from db.migrations import HEAD
from db.revision import stored_revision
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from engine.runner.processes.identity import identify
from engine.supervise.state.status import read_state
from tests.app.indexing.index_fixtures import until
from tests.conftest import REPOSITORY

RECORDED = REPOSITORY / "tests" / "fixtures" / "workspaces" / "v0_1"
REVISION = "0003"
ENDED = ("done", "broken", "stopped", "old")


class Old:
    """The recorded workspace, laid out in a temporary folder as if it had been there ever since."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(folder / "workspace")
        own = identify(os.getpid())
        assert own is not None
        self._values = {
            "@WORKSPACE@": str(self.workspace.path),
            "@WORK@": str(folder / "work"),
            "@LEASES@": os.environ["YOLOQAT_LEASES"],
            "@PYTHON@": sys.executable,
            "@BIN@": str(folder / "bin"),
            "@TREE@": str(REPOSITORY),
            "@HOME@": str(folder),
            "@BOOT@": own.boot_id,
            "@HOST@": own.host,
            "@NAMESPACE@": own.pid_namespace,
        }
        for part in ("workspace", "work"):
            shutil.copytree(RECORDED / part, folder / part)
        for path in [*self.workspace.path.rglob("*"), *(folder / "work").rglob("*")]:
            if path.is_file():
                path.write_bytes(self.filled(path.read_bytes().decode()).encode())
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(sys.executable)
        with closing(sqlite3.connect(self.workspace.database)) as file:
            file.executescript(self.filled((RECORDED / "yoloqat.sql").read_text(encoding="utf-8")))
        self.documents: dict[str, Any] = json.loads(self.filled((RECORDED / "documents.json").read_text("utf-8")))

    def filled(self, text: str) -> str:
        for name, value in self._values.items():
            text = text.replace(name, value)
        return text

    def state(self, name: str) -> RunState:
        return read_state(self.workspace.run(find_id(self.workspace, name))).state

    def yoloqat(self, *arguments: str) -> None:
        assert main([*arguments, "--workspace", str(self.workspace.path)]) == 0


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Old:
    monkeypatch.setenv("YOLOQAT_CPU_LANE", "1")
    return Old(tmp_path)


def assert_holds(before: Any, now: Any, where: str) -> None:
    """Everything that was told before is told now; more may be."""
    if isinstance(before, dict):
        assert isinstance(now, dict), where
        for key, value in before.items():
            assert key in now, f"{where}.{key}"
            assert_holds(value, now[key], f"{where}.{key}")
    elif isinstance(before, list):
        assert isinstance(now, list), where
        assert len(now) == len(before), where
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            assert_holds(one, other, f"{where}[{index}]")
    else:
        assert now == _as_written_now(before), where


def _as_written_now(value: Any) -> Any:
    """Version 0.1 wrote `.500` and `0.5 s` where it is `0.500` and `0.5s` now."""
    if not isinstance(value, str):
        return value
    value = re.sub(r"^(\d+(?:\.\d+)?) s$", r"\1s", value)
    return re.sub(r"^([-+−]?)\.(?=\d)", r"\g<1>0.", value)


def test_its_documents_are_those_that_it_told(old: Old, capsys: pytest.CaptureFixture[str]) -> None:
    for command, recorded in old.documents.items():
        old.yoloqat(*command.split(), "--json")
        now = json.loads(capsys.readouterr().out)
        if command == "ls":
            names = {run["name"] for run in recorded["runs"]}
            assert {run["name"] for run in now["runs"]} == names
            recorded, now = (
                {run["name"]: run for run in document["runs"] if run["name"] in ENDED} for document in (recorded, now)
            )
        assert_holds(recorded, now, command)
    assert stored_revision(old.workspace.database) == HEAD
    if HEAD != REVISION:
        assert stored_revision(old.workspace.path / f"yoloqat.db.before-{HEAD}") == REVISION


def test_what_went_down_has_ended_and_what_waited_still_waits(old: Old, capsys: pytest.CaptureFixture[str]) -> None:
    old.yoloqat("ls", "--json")
    runs = {run["name"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert (runs["killed"]["state"], runs["killed"]["epochs_done"]) == ("ended", 6)
    assert (runs["watched"]["state"], runs["watched"]["epochs_done"]) == ("ended", 4)
    waiting = ("queued", "held", "paused", "chain-first", "chain-second")
    assert {runs[name]["state"] for name in waiting} == {"queued"}


def test_what_waited_goes_on_to_its_end(old: Old) -> None:
    for path in (old.workspace.path.parent / "work").rglob("pause"):
        path.write_text("0.05")
    old.yoloqat("queue")
    assert old.state("queued") is RunState.QUEUED, "version 0.1 did not record who launched it: a person has to agree"
    old.yoloqat("queue", "--yes")
    until(lambda: old.state("chain-second") is RunState.SUCCEEDED, 60)
    assert old.state("chain-first") is RunState.SUCCEEDED
    assert old.state("queued") is RunState.SUCCEEDED
    until(lambda: old.state("pausing") is RunState.QUEUED)
    held = {run.name for run in queued_runs(old.workspace)}
    assert held == {"held", "paused", "pausing"}, "a person has to let these go"
    old.yoloqat("release", "held")
    for name in ("paused", "pausing"):
        old.yoloqat("resume", name)
    for name in ("held", "paused", "pausing"):
        until(lambda name=name: old.state(name) is RunState.SUCCEEDED, 60)  # type: ignore[misc]
    console = old.workspace.run(find_id(old.workspace, "paused")).attempt(2).console.read_text()
    assert "0/5" not in console, "it goes on from its checkpoint"
