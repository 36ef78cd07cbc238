"""A workspace that cannot be written is read; one that is gone is not made anew."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.contracts.index_folder import index_folder
from tests.app.cli.conftest import Cli, until


@pytest.fixture
def mounted(cli: Cli, tmp_path: Path) -> Iterator[Path]:
    """The workspace on a file system of its own."""
    folder = tmp_path / "mount"
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=64m none {folder} 2>/dev/null") != 0:
        pytest.skip("mounting a file system is not allowed here")
    cli.environment["YOLOQAT_WORKSPACE"] = str(folder / "workspace")
    cli.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    yield folder
    os.system(f"umount -l {folder} 2>/dev/null")


def train(cli: Cli, folder: Path) -> None:
    cli.workspace = type(cli.workspace)(folder / "workspace")
    cli.wait(cli.train(2, name="trained"))
    assert cli("ls").code == 0


def test_everything_that_reads_works_and_nothing_else_is_offered(cli: Cli, mounted: Path, tmp_path: Path) -> None:
    train(cli, mounted)
    remount = ["mount", "-o", "remount,ro", str(mounted)]
    # Busy until the runner and the indexer have gone.
    until(lambda: subprocess.run(remount, check=False, stderr=subprocess.DEVNULL).returncode == 0)
    index_folder.cache_clear()
    try:
        answer = cli("ls", "--json")
        assert answer.err.count("cannot be written") == 1, "said once"
        (run,) = answer.json()["runs"]
        assert (run["name"], run["state"], run["epochs_done"]) == ("trained", "succeeded", 2)
        for command in (
            ("show", "trained"),
            ("log", "trained"),
            ("compare", "trained", "trained"),
            ("queue",),
            ("du",),
        ):
            assert cli(*command).code == 0, command
        for command in (("tag", "trained", "x"), ("delete", "trained"), ("run", "--", "true"), ("resume", "trained")):
            refused = cli(*command)
            assert (refused.code, "no permission to write" in refused.err) == (2, True), command
    finally:
        index_folder.cache_clear()


def test_a_workspace_whose_disk_is_gone_is_an_error_until_it_is_forgotten(cli: Cli, mounted: Path) -> None:
    train(cli, mounted)
    os.system(f"umount -l {mounted}")
    for command in (("ls",), ("run", "--", "true")):
        answer = cli(*command)
        assert answer.code == 2
        assert "perhaps its disk is not mounted" in answer.err
        assert "yoloqat workspace new DIR" in answer.err
    assert not (mounted / "workspace").exists(), "nothing is made in its place"
    assert str(mounted / "workspace") in cli("workspace", "list").out
    assert "forgotten" in cli("workspace", "forget", str(mounted / "workspace")).out
    assert cli("ls").code == 0


def test_a_deleted_workspace_is_made_anew_by_name(cli: Cli) -> None:
    cli.wait(cli.train(1))
    cli("ls")
    shutil.rmtree(cli.workspace.path)
    assert cli("ls").code == 2
    assert cli("workspace", "new", str(cli.workspace.path)).code == 0
    assert cli("ls", "--json").json()["runs"] == []
    assert cli("workspace", "new").code == 2
