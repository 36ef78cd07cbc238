"""A full disk never hides an end: commands tell the truth from the run folders while the database cannot be written."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.launching.stop import run_status
from engine.contracts.run_folder import Workspace
from engine.contracts.states import RunState
from tests.app.cli.conftest import Cli, until

pytestmark = pytest.mark.indexer_process  # one in this process would meet the full disk in the command itself
SMALL = 3 << 20


@pytest.fixture
def small(cli: Cli, tmp_path: Path) -> Iterator[Path]:
    """A workspace on a file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size={SMALL} none {folder} 2>/dev/null") != 0:
        pytest.skip("mounting a small file system is not allowed here")
    cli.workspace = Workspace(folder / "workspace")
    cli.environment["YOLOQAT_WORKSPACE"] = str(cli.workspace.path)
    yield folder
    for run in cli.workspace.run_folders():
        until(lambda run=run: not run_status(cli.workspace, run.id).state.is_live)  # type: ignore[misc]
    assert os.system(f"umount -l {folder}") == 0


def fill(folder: Path) -> Path:
    """Write until not a byte is left."""
    path = folder / "everything-else"
    with path.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return path


def end_on_a_full_disk(cli: Cli, small: Path, *, indexed: bool) -> Path:
    """A run that exits 3 after the last byte was taken. Returns the file that has taken it."""
    cli("run", "--name", "full", "--", "sh", "-c", "echo started; until [ -e go ]; do sleep 0.05; done; exit 3")
    if indexed:
        assert cli("ls").code == 0
    filling = fill(small)
    (cli.directory / "go").touch()
    cli.wait(next(iter(cli.workspace.run_folders())).id)
    return filling


def test_an_end_on_a_full_disk_is_told(cli: Cli, small: Path) -> None:
    filling = end_on_a_full_disk(cli, small, indexed=True)
    listed = cli("ls", "--json")
    (told,) = listed.json()["runs"]
    assert (told["state"], told["reason"]) == ("failed", "exit code 3; the disk is full")
    assert "the disk is full" in listed.err
    doctor = cli("doctor")
    assert doctor.code == 1
    assert re.search(r"\d (B|kB|MB) free for the workspace", doctor.out)
    for _ in range(5):  # what a database takes for a moment, or an indexer that goes, is free again
        fill(small)
        refused = cli("run", "--", "true")
        if refused.code:
            break
    assert refused.code == 2
    assert "Free some disk space" in refused.err
    assert cli("reindex").code == 2
    filling.unlink()
    told = cli("show", "full", "--json").json()["run"]
    assert told["reason"] == "exit code 3; the disk is full"
    assert told["lines_not_understood"] == 1, "the log has been read after all"


def test_it_is_told_without_any_database(cli: Cli, small: Path) -> None:
    end_on_a_full_disk(cli, small, indexed=False)
    (told,) = cli("ls", "--json").json()["runs"]
    assert (told["state"], told["reason"]) == ("failed", "exit code 3; the disk is full")
    assert "failed (exit code 3; the disk is full)" in cli("show", "full").out
    assert cli("log", "full").out == "started\n"


@pytest.mark.slow
def test_a_log_that_fills_the_disk_ends_its_run_and_no_other(cli: Cli, small: Path) -> None:
    other = cli("run", "--name", "other", "--", "sh", "-c", "until [ -e go ]; do sleep 0.05; done").out.split()[0]
    noisy = cli("run", "--name", "noisy", "--", "sh", "-c", "sleep 0.3; yes 'a line of a very long log'").out.split()[0]
    cli.wait(noisy)
    states = {run["name"]: run["state"] for run in cli("ls", "--json").json()["runs"]}
    assert states == {"noisy": "failed", "other": "running"}
    (cli.directory / "go").touch()
    cli.wait(other)
    assert run_status(cli.workspace, other).state is RunState.SUCCEEDED
    assert {run["state"] for run in cli("ls", "--json").json()["runs"]} == {"failed", "succeeded"}
